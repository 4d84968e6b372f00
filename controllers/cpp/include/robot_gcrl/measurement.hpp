// What a robot measures of its actuated joints, and whether it can be trusted.
#pragma once

#include <string>

#include "robot_gcrl/limits.hpp"
#include "robot_gcrl/motion.hpp"

namespace robot_gcrl {

struct Fault {
  std::string cause, reason;  // both empty if there is none
};

// Writes the usable part of a measurement to `known`, with NaN where nothing is known, and returns
// the stop that it demands, if any. `needs_velocity`: whether an empty velocity is a fault.
Fault read_joints(const Limits& limits, const Joints& joints, bool needs_velocity, Joints& known);

// Throws SetupError: an actuator stops by damping a velocity that this robot does not measure.
void require_no_velocity(const Limits& limits);

}  // namespace robot_gcrl
