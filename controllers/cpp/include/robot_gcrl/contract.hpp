// What robot and policy must agree on, as far as a robot needs it. The whole text travels in the
// hello, so that the server can say what differs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace robot_gcrl {

enum class Mode { kTorque, kJointPosition, kJointPositionDelta, kJointVelocity, kGripper };

const char* name_of(Mode mode);

// A measured number: qpos or qvel of a joint, or a sensor, and which component of it.
struct Input {
  std::string source, name;
  int component = 0;
  std::string unit;

  bool is_same(const Input& other) const {
    return source == other.source && name == other.name && component == other.component;
  }
};

// Vectors of the action have one value for each actuator; limits that are not prescribed are
// infinite.
struct Contract {
  std::string name, robot;
  double control_dt = 0.0;    // [s]
  std::vector<Input> inputs;  // what a report holds, in this order
  std::size_t goal_size = 0;
  std::vector<std::string> actuators;
  std::vector<std::optional<std::string>> joints;
  std::vector<Mode> modes;
  std::vector<double> low, high, velocity_limit, acceleration_limit;
  std::string json, sha256;
};

// Of the canonical JSON, byte for byte: its sha256 is what robot and server compare. Throws
// SetupError.
Contract read_contract(const std::string& canonical_json);

// Of a file that holds it; white space at the file's end does not count. Throws SetupError.
Contract load_contract(const std::string& path);

}  // namespace robot_gcrl
