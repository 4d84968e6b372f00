#include "robot_gcrl/measurement.hpp"

#include <cmath>
#include <limits>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::string read_column(const char* what, const std::vector<double>& values, const Limits& limits,
                        std::vector<double>& known) {
  known.assign(limits.axes.size(), kUnknown);
  if (values.size() != limits.axes.size())
    return std::string("measured ") + what + " are " + std::to_string(values.size()) + ", not " +
           std::to_string(limits.axes.size()) + " numbers";
  std::string fault;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!limits.axes[i].has_joint) continue;
    if (std::isfinite(values[i]))
      known[i] = values[i];
    else if (fault.empty())
      fault = std::string("measured ") + what + " hold " + std::to_string(values[i]) +
              " at the joint of " + limits.axes[i].actuator;
  }
  return fault;
}

}  // namespace

Fault read_joints(const Limits& limits, const Joints& joints, bool needs_velocity, Joints& known) {
  std::string fault = read_column("positions", joints.position, limits, known.position);
  known.velocity.assign(limits.axes.size(), kUnknown);
  if (!joints.velocity.empty() || needs_velocity) {
    const std::string slow = read_column("velocities", joints.velocity, limits, known.velocity);
    if (fault.empty()) fault = slow;
  }
  if (!fault.empty()) return {"robot", fault};
  for (std::size_t i = 0; i < limits.axes.size(); ++i) {
    const auto& axis = limits.axes[i];
    const double value = known.position[i];
    if (value < axis.position_low - axis.margin || value > axis.position_high + axis.margin)
      return {"limit", "the joint of " + axis.actuator + " is at " + std::to_string(value) +
                           ", outside of its limits by more than " + std::to_string(axis.margin)};
  }
  return {};
}

void require_no_velocity(const Limits& limits) {
  for (const auto& axis : limits.axes)
    if (axis.damping > 0.0)
      throw SetupError("The safe stop of " + axis.actuator +
                       " damps the velocity of the joint, and this robot does not measure it. "
                       "Expected measured velocities. Measure them, or prescribe another stop.");
}

}  // namespace robot_gcrl
