#include "plant.hpp"

#include <algorithm>
#include <cmath>

namespace robot_gcrl {
namespace {

constexpr double kLag = 0.05;      // of a position servo [s]
constexpr double kFriction = 0.5;  // of a mass [1/s]

}  // namespace

Plant::Plant(const Contract& contract, const Limits& limits)
    : contract_(contract), axes_(limits.axes) {
  for (const auto& axis : axes_) {
    const double here = axis.is_position() ? within(0.0, axis.target_low(), axis.target_high())
                                           : within(0.0, axis.position_low, axis.position_high);
    joints_.position.push_back(here);
    joints_.velocity.push_back(0.0);
  }
}

std::vector<float> Plant::inputs() const {
  std::vector<float> inputs;
  for (const auto& input : contract_.inputs) {
    double value = 0.0;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (contract_.joints[i] != input.name || input.component != 0) continue;
      if (input.source == "qpos") value = joints_.position[i];
      if (input.source == "qvel") value = joints_.velocity[i];
    }
    inputs.push_back(static_cast<float>(value));
  }
  return inputs;
}

void Plant::step(const std::vector<double>& ctrl, double dt) {
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    double& position = joints_.position[i];
    double& velocity = joints_.velocity[i];
    const double before = position;
    if (axes_[i].mode == Mode::kTorque)
      velocity += (ctrl[i] - kFriction * velocity) * dt;
    else if (axes_[i].mode == Mode::kJointVelocity)
      velocity = ctrl[i];
    else
      velocity = (ctrl[i] - position) * (1.0 - std::exp(-dt / kLag)) / dt;
    // The joint has stops, where it has limits
    position = within(position + velocity * dt, axes_[i].position_low, axes_[i].position_high);
    velocity = (position - before) / dt;
  }
}

}  // namespace robot_gcrl
