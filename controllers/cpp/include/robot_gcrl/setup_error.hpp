// What a user can mend before the robot moves: one line, exit code 2.
#pragma once

#include <stdexcept>

namespace robot_gcrl {

class SetupError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace robot_gcrl
