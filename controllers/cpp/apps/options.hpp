// The command line of the example.
#pragma once

#include <string>

namespace robot_gcrl {

struct Options {
  std::string connect, robot, contract, profile;
  double seconds = 10.0;
  double speed = 1.0;  // control steps per control period; timers and limits stay in real time
  std::string trace;   // a CSV file with what was written in each step; empty for none
  std::string key, server_key;
};

// Throws SetupError: an option that is not known, lacks its value or is needed.
Options read_options(int count, char** arguments);

}  // namespace robot_gcrl
