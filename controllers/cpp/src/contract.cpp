#include "robot_gcrl/contract.hpp"

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "robot_gcrl/json.hpp"
#include "robot_gcrl/sha256.hpp"

namespace robot_gcrl {
namespace {

constexpr Mode kModes[] = {Mode::kTorque, Mode::kJointPosition, Mode::kJointPositionDelta,
                           Mode::kJointVelocity, Mode::kGripper};

Mode mode_of(const std::string& name) {
  for (const Mode mode : kModes)
    if (name == name_of(mode)) return mode;
  throw SetupError("The contract has mode '" + name +
                   "'. Expected one that this program knows. Take its next release.");
}

std::vector<double> numbers(const Json& json) {
  std::vector<double> values;
  for (const auto& value : json.array()) values.push_back(value.number());
  return values;
}

std::vector<double> limits(const Json& json, std::size_t count) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (json.is_null()) return std::vector<double>(count, kInfinity);
  std::vector<double> values;
  for (const auto& value : json.array())
    values.push_back(value.is_null() ? kInfinity : value.number());
  return values;
}

// The distinct measured numbers of the observation, in the order of their first mention.
std::vector<Input> inputs_of(const Json& observation) {
  std::vector<Input> inputs;
  for (const auto& field : observation.array()) {
    if (field.at("source").text() == "previous_action") continue;
    for (const double component : numbers(field.at("components"))) {
      Input input{field.at("source").text(), field.at("name").text(), static_cast<int>(component),
                  field.at("unit").text()};
      bool is_new = true;
      for (const auto& known : inputs) is_new = is_new && !known.is_same(input);
      if (is_new) inputs.push_back(input);
    }
  }
  return inputs;
}

void check(const Contract& contract) {
  const std::size_t count = contract.actuators.size();
  const bool fits = count > 0 && contract.joints.size() == count &&
                    contract.modes.size() == count && contract.low.size() == count &&
                    contract.high.size() == count && contract.velocity_limit.size() == count &&
                    contract.acceleration_limit.size() == count;
  if (!fits || !(std::isfinite(contract.control_dt) && contract.control_dt > 0.0))
    throw SetupError("The contract '" + contract.name +
                     "' has arrays of different lengths, or no period. Expected one value for each "
                     "actuator. Take the file that belongs to the policy.");
}

}  // namespace

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::kTorque: return "torque";
    case Mode::kJointPosition: return "joint_position";
    case Mode::kJointPositionDelta: return "joint_position_delta";
    case Mode::kJointVelocity: return "joint_velocity";
    case Mode::kGripper: return "gripper";
  }
  return "";
}

Contract read_contract(const std::string& canonical_json) {
  const Json json = Json::parse(canonical_json);
  const Json& action = json.at("action");
  Contract contract;
  contract.name = json.at("name").text();
  contract.robot = json.at("robot").text();
  contract.control_dt = json.at("control_dt").number();
  contract.inputs = inputs_of(json.at("observation"));
  contract.goal_size = json.at("goal").array().size();
  for (const auto& name : action.at("actuators").array()) contract.actuators.push_back(name.text());
  for (const auto& joint : action.at("joints").array())
    contract.joints.push_back(joint.is_null() ? std::nullopt : std::optional(joint.text()));
  for (const auto& mode : action.at("modes").array())
    contract.modes.push_back(mode_of(mode.text()));
  contract.low = numbers(action.at("low"));
  contract.high = numbers(action.at("high"));
  contract.velocity_limit = limits(action.at("velocity_limit"), contract.actuators.size());
  contract.acceleration_limit = limits(action.at("acceleration_limit"), contract.actuators.size());
  contract.json = canonical_json;
  contract.sha256 = sha256_hex(canonical_json);
  check(contract);
  return contract;
}

Contract load_contract(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw SetupError("The contract " + path +
                     " cannot be read. Expected a file. Name another one with --contract.");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return read_contract(text);
}

}  // namespace robot_gcrl
