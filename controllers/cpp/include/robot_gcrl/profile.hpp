// A robot's profile: what its motors may be told, and how it stops. It belongs to a machine, a
// contract to a policy; limits.hpp joins the two. Files: ../../../profiles/*.toml, of which this
// reads strings, numbers and arrays, which is all that they use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "robot_gcrl/contract.hpp"

namespace robot_gcrl {

enum class StopRule { kHoldPosition, kZeroVelocity, kDamp, kLegged };

// One value for each actuator; units are those of the commanded quantity u. What is not prescribed
// is nothing.
struct Profile {
  std::string name, robot;
  std::vector<std::string> actuators;
  std::vector<std::optional<std::string>> joints;
  std::vector<std::string> modes, units;
  std::vector<double> low, high;
  std::vector<std::optional<double>> velocity_limit;      // [u/s]
  std::vector<std::optional<double>> acceleration_limit;  // [u/s^2]
  std::vector<std::optional<double>> position_low, position_high, margin;  // of the joint
  std::vector<StopRule> stop;
  std::vector<std::optional<double>> damping;    // [N m s/rad] or [N s/m]
  std::vector<std::optional<double>> stiffness;  // of the position servo, where the rule is legged
  double ramp_time = 1.0;                        // [s]
  std::optional<double> hold_time, stop_time;    // if sooner than the bridge's [s]
};

// Throws SetupError: the text is no profile, or one with which no robot may move.
Profile read_profile(const std::string& text, const std::string& name);
Profile load_profile(const std::string& path);

}  // namespace robot_gcrl
