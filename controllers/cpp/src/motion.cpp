#include "robot_gcrl/motion.hpp"

#include <cmath>

namespace robot_gcrl {
namespace {

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

Axis::Axis(const AxisLimits& limits, double position) : own_(limits), limits_(limits) {
  const double here = own_.is_position() && own_.has_joint ? position : 0.0;
  ctrl_ = within(here, own_.low, own_.high);
}

Clip Axis::follow(double command, double position, double dt, double ramp) {
  const Span span{limits_.target_low(), limits_.target_high()};
  const double wanted = within(command, limits_.low, limits_.high);
  double target = within(wanted, span.low, span.high);
  Clip clip;
  clip.bounds = wanted != command;
  clip.margin = target != wanted;
  if (ramp < 1.0) {
    if (!start_) start_ = within(ramp_start(position), limits_.low, limits_.high);
    target = within(*start_ + ramp * (target - *start_), limits_.low, limits_.high);
  }
  anchor_.reset();
  const Followed step = approach(target, target_.value_or(target), dt, span);
  target_ = target;
  clip.velocity = step.over_velocity;
  clip.acceleration = step.over_acceleration;
  clip.margin |= turn_from_joint_limits(position, dt);
  return clip;
}

void Axis::rest(double position, double velocity, double dt, bool stopped, bool damped) {
  target_.reset();
  if (limits_.mode == Mode::kTorque) {
    // In full bounds, and at once, whatever the limits of change
    const double against = -own_.damping * velocity;
    ctrl_ = std::isnan(against) ? 0.0 : within(against, own_.low, own_.high);
    rate_ = 0.0;
  } else if (limits_.mode == Mode::kJointVelocity) {
    approach(0.0, 0.0, dt, {limits_.low, limits_.high});
  } else {
    rest_position(position, velocity, dt, stopped, damped);
  }
}

void Axis::rest_position(double position, double velocity, double dt, bool stopped, bool damped) {
  const Span span{limits_.low, limits_.high};
  if (damped && limits_.rule == StopRule::kLegged) {
    // The target trails the joint, so that the servo pushes against its velocity
    const double trailing = position - own_.damping * velocity;
    if (!std::isnan(trailing)) ctrl_ = within(trailing, own_.low, own_.high);
    rate_ = 0.0;
    return;
  }
  const double slower = slowed(rate_, limits_.acceleration * dt);
  if (!anchor_ && slower != 0.0) {
    rate_ = slower;
    ctrl_ = within(ctrl_ + slower * dt, span.low, span.high);
    return;
  }
  if (!anchor_ && stopped) anchor_ = within(stop_at(position), span.low, span.high);
  const double target = anchor_.value_or(ctrl_);
  approach(target, target, dt, span);
}

void Axis::freeze(double ctrl) {
  ctrl_ = own_.is_position() ? ctrl : 0.0;
  rate_ = 0.0;
  target_.reset();
}

double Axis::ramp_start(double position) const {
  if (!limits_.is_position()) return 0.0;
  // The grip of a gripper is the difference between target and measured position: to go to the
  // measured one would be to let go
  return is_measured() ? position : ctrl_;
}

double Axis::stop_at(double position) const {
  const bool known =
      is_measured() && limits_.rule != StopRule::kLegged && !std::isnan(position);
  return known ? position : ctrl_;
}

bool Axis::turn_from_joint_limits(double position, double dt) {
  if (limits_.is_position() || std::isinf(limits_.position_low)) return false;
  const double below = position - limits_.position_low;
  const double above = limits_.position_high - position;
  if (limits_.mode == Mode::kJointVelocity) {
    // The velocity limit of a velocity is how fast it can be braked
    return bound(-braking_rate(std::max(below - limits_.margin, 0.0), dt, limits_.velocity),
                 braking_rate(std::max(above - limits_.margin, 0.0), dt, limits_.velocity));
  }
  // What pushes outwards fades within the margin, to 0 at the limit
  return bound(limits_.low * within(below / limits_.margin, 0.0, 1.0),
               limits_.high * within(above / limits_.margin, 0.0, 1.0));
}

bool Axis::bound(double low, double high) {
  const double bounded = within(ctrl_, low, high);
  if (bounded == ctrl_) return false;
  ctrl_ = bounded;
  rate_ = 0.0;
  return true;
}

Followed Axis::approach(double target, double previous, double dt, Span span) {
  const Followed step = robot_gcrl::follow(ctrl_, rate_, target, previous, dt, limits_.velocity,
                                           limits_.acceleration, span);
  ctrl_ = step.ctrl;
  rate_ = step.rate;
  return step;
}

Motion::Motion(const Limits& limits, const std::vector<double>& position)
    : ramp_ns_(limits.ramp_ns) {
  for (std::size_t i = 0; i < limits.axes.size(); ++i)
    axes_.emplace_back(limits.axes[i], position[i]);
}

double Motion::ramp() const {
  return std::min(static_cast<double>(ramped_ns_) / static_cast<double>(ramp_ns_), 1.0);
}

void Motion::fade_in() {
  ramped_ns_ = 0;
  for (auto& axis : axes_) axis.fade_in();
}

void Motion::scale(double scale) {
  for (auto& axis : axes_) axis.scale(scale);
}

void Motion::coast(std::int64_t dt_ns) {
  for (auto& axis : axes_) axis.coast(seconds(dt_ns));
}

void Motion::follow(const double* command, const Joints& known, std::int64_t dt_ns,
                    std::vector<Clip>& clips) {
  const double share = ramp();
  for (std::size_t i = 0; i < axes_.size(); ++i)
    clips[i] = axes_[i].follow(command[i], known.position[i], seconds(dt_ns), share);
  ramped_ns_ += dt_ns;
}

void Motion::rest(const Joints& known, std::int64_t dt_ns, bool stopped, bool damped) {
  for (std::size_t i = 0; i < axes_.size(); ++i)
    axes_[i].rest(known.position[i], known.velocity[i], seconds(dt_ns), stopped, damped);
}

void Motion::freeze(const std::vector<double>& ctrl) {
  for (std::size_t i = 0; i < axes_.size(); ++i) axes_[i].freeze(ctrl[i]);
}

void Motion::copy_ctrl(std::vector<double>& ctrl) const {
  for (std::size_t i = 0; i < axes_.size(); ++i) ctrl[i] = axes_[i].ctrl();
}

}  // namespace robot_gcrl
