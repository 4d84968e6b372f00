// What a robot's motors may be told: the narrower of its profile and a contract. What is not
// prescribed is infinite, so that no formula asks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "robot_gcrl/contract.hpp"
#include "robot_gcrl/profile.hpp"

namespace robot_gcrl {

struct AxisLimits {
  std::string actuator;
  Mode mode = Mode::kTorque;
  StopRule rule = StopRule::kDamp;
  bool has_joint = false;  // whether it drives a joint, which is then measured
  double low = 0.0, high = 0.0;    // of the ctrl [u], the float32 numbers of a policy's bounds
  double velocity = 0.0;           // greatest change of the ctrl [u/s]
  double acceleration = 0.0;       // greatest change of that change [u/s^2]
  double position_low = 0.0, position_high = 0.0;  // of the joint
  double margin = 0.0;  // how far inside these the robot stays, and how far outside it stops
  // Torque per velocity; where the rule is legged, by how much the target trails the joint [s]
  double damping = 0.0;

  bool is_position() const { return mode != Mode::kTorque && mode != Mode::kJointVelocity; }
  // Least and greatest ctrl; of a position, within the joint's margin too.
  double target_low() const;
  double target_high() const;
  // With all but positions multiplied by `scale`.
  AxisLimits scaled(double scale) const;
};

struct Limits {
  std::vector<AxisLimits> axes;
  std::int64_t period_ns = 0;       // T
  std::int64_t command_age_ns = 0;  // a command is discarded when older since its report
  std::int64_t hold_ns = 0;         // without a fresh command until the hold
  std::int64_t stop_ns = 0;         // without a fresh command until the safe stop
  std::int64_t ramp_ns = 0;         // in which motion is faded in
};

// Throws SetupError: the profile is of another robot, set or order of actuators, joint, mode or
// unit; the limits of the two exclude each other; or their times do.
Limits fit(const Contract& contract, const Profile& profile);

}  // namespace robot_gcrl
