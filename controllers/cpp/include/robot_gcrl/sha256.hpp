// SHA-256 (FIPS 180-4), so that a robot can say which contract it has without another library.
#pragma once

#include <string>

namespace robot_gcrl {

// 64 hexadecimal digits.
std::string sha256_hex(const std::string& data);

}  // namespace robot_gcrl
