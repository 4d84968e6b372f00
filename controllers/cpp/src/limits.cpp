#include "robot_gcrl/limits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kLeastHold = 50'000'000;
constexpr std::int64_t kLeastStop = 200'000'000;
constexpr std::int64_t kGreatestStop = 500'000'000;

std::int64_t nanoseconds(double seconds) {
  return static_cast<std::int64_t>(std::nearbyint(seconds * 1e9));
}

// The float32 number: a policy that commands its bound commands this. Volatile, because GCC 12.2
// leaves the rounding out (from -O2 on) where it joins two of these conversions in one instruction.
double exact(double value) {
  const volatile float rounded = static_cast<float>(value);
  return static_cast<double>(rounded);
}

// The unit of the ctrl, as far as the observation of the joint tells; empty if it does not.
std::string unit_of(const Contract& contract, std::size_t i) {
  for (const auto& input : contract.inputs) {
    if ((input.source != "qpos" && input.source != "qvel") || input.name != contract.joints[i])
      continue;
    const bool is_hinge = input.unit == "rad" || input.unit == "rad/s";
    if (!is_hinge && input.unit != "m" && input.unit != "m/s") return "";
    switch (contract.modes[i]) {
      case Mode::kTorque: return is_hinge ? "N m" : "N";
      case Mode::kJointVelocity: return is_hinge ? "rad/s" : "m/s";
      default: return is_hinge ? "rad" : "m";
    }
  }
  return "";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// All in which a profile is not one of the contract's robot.
std::string differences(const Contract& contract, const Profile& profile) {
  std::string rows;
  const auto compare = [&](const std::string& name, const std::string& expected,
                           const std::string& got) {
    if (expected != got)
      rows += (rows.empty() ? "" : "; ") + name + ": expected " + expected + ", got " + got;
  };
  compare("robot", contract.robot, profile.robot);
  compare("actuators", joined(contract.actuators), joined(profile.actuators));
  for (std::size_t i = 0; i < contract.actuators.size(); ++i) {
    const auto& actuator = contract.actuators[i];
    const auto found = std::find(profile.actuators.begin(), profile.actuators.end(), actuator);
    if (found == profile.actuators.end()) continue;  // the row above names it
    const auto j = static_cast<std::size_t>(found - profile.actuators.begin());
    compare("joint of " + actuator, contract.joints[i].value_or("none"),
            profile.joints[j].value_or("none"));
    compare("mode of " + actuator, name_of(contract.modes[i]), profile.modes[j]);
    const std::string unit = unit_of(contract, i);
    if (!unit.empty()) compare("unit of " + actuator, unit, profile.units[j]);
  }
  return rows;
}

AxisLimits axis_of(const Contract& contract, const Profile& profile, std::size_t i) {
  AxisLimits axis;
  axis.actuator = contract.actuators[i];
  axis.mode = contract.modes[i];
  axis.rule = profile.stop[i];
  axis.has_joint = contract.joints[i].has_value();
  axis.low = std::max(exact(profile.low[i]), exact(contract.low[i]));
  axis.high = std::min(exact(profile.high[i]), exact(contract.high[i]));
  axis.velocity = std::min(profile.velocity_limit[i].value_or(kInfinity),
                           contract.velocity_limit[i]);
  axis.acceleration = std::min(profile.acceleration_limit[i].value_or(kInfinity),
                               contract.acceleration_limit[i]);
  axis.position_low = exact(profile.position_low[i].value_or(-kInfinity));
  axis.position_high = exact(profile.position_high[i].value_or(kInfinity));
  axis.margin = profile.margin[i].value_or(0.0);
  axis.damping = profile.damping[i].value_or(0.0) / profile.stiffness[i].value_or(1.0);
  const double low = axis.target_low(), high = axis.target_high();
  if (!(low < high && (axis.is_position() || (low <= 0.0 && 0.0 <= high))))
    throw SetupError("The profile '" + profile.name + "' and the contract '" + contract.name +
                     "' leave " + axis.actuator +
                     " no range, or none with 0 in it. Expected one. Mend the profile.");
  if (axis.rule == StopRule::kZeroVelocity && std::isinf(axis.velocity))
    throw SetupError("The profile '" + profile.name + "' has no velocity_limit of " +
                     axis.actuator + ", which stops by zero_velocity. Expected how fast its "
                     "velocity may be ramped to zero. Mend the profile.");
  return axis;
}

std::int64_t sooner(const std::optional<double>& seconds, std::int64_t usual, std::int64_t period,
                    const std::string& profile) {
  if (!seconds) return usual;
  const std::int64_t chosen = nanoseconds(*seconds);
  if (chosen <= period || chosen > usual)
    throw SetupError("The profile '" + profile + "' has hold_time or stop_time " +
                     std::to_string(*seconds) + " s. Expected above the control period and at "
                     "most the bridge's: a profile may only be quicker. Mend the profile.");
  return chosen;
}

}  // namespace

double AxisLimits::target_low() const {
  return is_position() ? std::max(low, position_low + margin) : low;
}

double AxisLimits::target_high() const {
  return is_position() ? std::min(high, position_high - margin) : high;
}

AxisLimits AxisLimits::scaled(double scale) const {
  AxisLimits axis = *this;
  if (!is_position()) {
    axis.low = exact(low * scale);
    axis.high = exact(high * scale);
  }
  axis.velocity *= scale;
  axis.acceleration *= scale;
  return axis;
}

Limits fit(const Contract& contract, const Profile& profile) {
  const std::string differing = differences(contract, profile);
  if (!differing.empty())
    throw SetupError("The profile '" + profile.name + "' does not fit the contract '" +
                     contract.name + "'. " + differing +
                     ". Take the profile of the robot that the policy was trained for.");
  Limits limits;
  limits.period_ns = nanoseconds(contract.control_dt);
  limits.command_age_ns = 3 * limits.period_ns;
  limits.ramp_ns = nanoseconds(profile.ramp_time);
  std::int64_t stop = std::min(std::max(10 * limits.period_ns, kLeastStop), kGreatestStop);
  if (stop <= limits.period_ns)
    throw SetupError("The contract '" + contract.name + "' has a control period of " +
                     std::to_string(contract.control_dt) +
                     " s. Expected below 0.5 s, after which a robot without commands stops. Train "
                     "the policy at a higher rate.");
  const std::int64_t hold = std::min(std::max(limits.command_age_ns, kLeastHold), stop);
  limits.hold_ns = sooner(profile.hold_time, hold, limits.period_ns, profile.name);
  limits.stop_ns = sooner(profile.stop_time, stop, limits.period_ns, profile.name);
  limits.hold_ns = std::min(limits.hold_ns, limits.stop_ns);
  for (std::size_t i = 0; i < contract.actuators.size(); ++i)
    limits.axes.push_back(axis_of(contract, profile, i));
  return limits;
}

}  // namespace robot_gcrl
