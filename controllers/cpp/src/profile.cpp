#include "robot_gcrl/profile.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "robot_gcrl/setup_error.hpp"
#include "toml.hpp"

namespace robot_gcrl {
namespace {

struct ModeRules {
  std::vector<const char*> units, stops;
};

// The units in which each mode is commanded, and the rules by which it can stop: a torque is never
// held.
const std::map<std::string, ModeRules>& rules() {
  static const std::map<std::string, ModeRules> table = {
      {"torque", {{"N m", "N"}, {"damp"}}},
      {"joint_position", {{"rad", "m"}, {"hold_position", "legged"}}},
      {"joint_position_delta", {{"rad", "m"}, {"hold_position", "legged"}}},
      {"joint_velocity", {{"rad/s", "m/s"}, {"zero_velocity"}}},
      {"gripper", {{"rad", "m"}, {"hold_position"}}},
  };
  return table;
}

StopRule stop_rule(const std::string& name) {
  if (name == "hold_position") return StopRule::kHoldPosition;
  if (name == "zero_velocity") return StopRule::kZeroVelocity;
  return name == "damp" ? StopRule::kDamp : StopRule::kLegged;
}

bool is_among(const std::string& name, const std::vector<const char*>& names) {
  return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}

class Checker {
 public:
  explicit Checker(const Profile& profile) : p_(profile) {}

  void limits(std::size_t i) const {
    constexpr double kHuge = 1e30;  // what a float32 can still hold
    const double low = p_.low[i], high = p_.high[i];
    require(-kHuge < low && low < high && high < kHuge, i, "low, high", "the lower first");
    const bool rests_at_zero = p_.modes[i] == "torque" || p_.modes[i] == "joint_velocity";
    require(!rests_at_zero || (low <= 0.0 && 0.0 <= high), i, "low, high", "0 between them");
    for (const auto& limit : {p_.velocity_limit[i], p_.acceleration_limit[i]})
      require(!limit || *limit > 0.0, i, "velocity_limit, acceleration_limit", "numbers above 0");
  }

  void joint(std::size_t i) const {
    const auto low = p_.position_low[i], high = p_.position_high[i], margin = p_.margin[i];
    const char* names = "position_low, position_high, margin";
    if (!low && !high && !margin) return;
    require(low && high && margin, i, names, "all three, or none of them");
    require(p_.joints[i].has_value(), i, names, "\"none\" where no joint is driven");
    require(0.0 < 2.0 * *margin && 2.0 * *margin < *high - *low, i, names,
            "a margin above 0 that leaves room between");
  }

  void stop(std::size_t i) const {
    const bool is_legged = p_.stop[i] == StopRule::kLegged;
    const bool is_damped = is_legged || p_.stop[i] == StopRule::kDamp;
    const auto damping = p_.damping[i], stiffness = p_.stiffness[i];
    require(is_damped == damping.has_value() && (!damping || *damping >= 0.0), i, "damping",
            "a number of at least 0 with stop damp or legged, and only there");
    require(is_legged == stiffness.has_value() && (!stiffness || *stiffness > 0.0), i, "stiffness",
            "a number above 0 with stop legged, and only there");
    require(damping.value_or(0.0) == 0.0 || p_.joints[i].has_value(), i, "damping",
            "0 where no joint is driven");
  }

  void times() const {
    for (const auto& time : {std::optional(p_.ramp_time), p_.hold_time, p_.stop_time})
      if (time && !(*time > 0.0))
        refuse_profile(p_.name, "ramp_time, hold_time or stop_time", "seconds above 0");
  }

 private:
  void require(bool holds, std::size_t i, const char* what, const char* expected) const {
    if (holds) return;
    refuse_profile(p_.name, std::string("a bad ") + what + " of " + p_.actuators[i], expected);
  }

  const Profile& p_;
};

}  // namespace

Profile read_profile(const std::string& text, const std::string& name) {
  ProfileTable table(text, name);
  Profile p;
  p.name = name;
  p.robot = table.text("robot");
  p.joints = table.maybe_texts("joints");
  p.modes = table.texts("modes");
  p.units = table.texts("units");
  p.low = table.numbers("low");
  p.high = table.numbers("high");
  p.velocity_limit = table.maybe_numbers("velocity_limit");
  p.acceleration_limit = table.maybe_numbers("acceleration_limit");
  p.position_low = table.maybe_numbers("position_low");
  p.position_high = table.maybe_numbers("position_high");
  p.margin = table.maybe_numbers("margin");
  p.damping = table.maybe_numbers("damping");
  p.stiffness = table.maybe_numbers("stiffness");
  p.ramp_time = table.number("ramp_time").value_or(1.0);
  p.hold_time = table.number("hold_time");
  p.stop_time = table.number("stop_time");
  const auto stops = table.texts("stop");
  p.actuators = table.texts("actuators");
  table.require_empty();
  if (std::set(p.actuators.begin(), p.actuators.end()).size() != p.actuators.size())
    refuse_profile(name, "an actuator twice", "each once");
  const Checker checker(p);
  for (std::size_t i = 0; i < p.actuators.size(); ++i) {
    const auto found = rules().find(p.modes[i]);
    if (found == rules().end())
      refuse_profile(name, "the mode '" + p.modes[i] + "'",
                     "torque, joint_position, joint_position_delta, joint_velocity or gripper");
    if (!is_among(p.units[i], found->second.units) || !is_among(stops[i], found->second.stops))
      refuse_profile(name,
                     "unit '" + p.units[i] + "' and stop '" + stops[i] + "' of " + p.actuators[i],
                     "those of mode " + p.modes[i]);
    p.stop.push_back(stop_rule(stops[i]));
    checker.limits(i);
    checker.joint(i);
    checker.stop(i);
  }
  checker.times();
  return p;
}

Profile load_profile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw SetupError("The profile " + path +
                     " cannot be read. Expected a file. Name another one with --profile.");
  return read_profile({std::istreambuf_iterator<char>(file), {}}, path);
}

}  // namespace robot_gcrl
