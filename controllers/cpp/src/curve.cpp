#include "robot_gcrl/curve.hpp"

#include <sys/stat.h>

#include <fstream>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {
namespace {

constexpr std::size_t kKeySize = 40;

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw SetupError("The key " + path + " " + what +
                   ". Expected a file that robot-gcrl keys made, a secret one with mode 600. Name "
                   "another one, or mend it.");
}

// The value of `    name = "value"` in a certificate.
std::string value_of(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  if (!file) refuse(path, "cannot be read");
  for (std::string line; std::getline(file, line);) {
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line.compare(start, name.size(), name) != 0) continue;
    const auto open = line.find('"'), close = line.rfind('"');
    if (open != std::string::npos && close == open + 1 + kKeySize)
      return line.substr(open + 1, kKeySize);
  }
  refuse(path, "holds no " + name);
}

}  // namespace

CurveKeys load_keys(const std::string& own_secret_file, const std::string& server_public_file) {
  struct stat found {};
  if (stat(own_secret_file.c_str(), &found) != 0) refuse(own_secret_file, "cannot be read");
  if ((found.st_mode & 077) != 0) refuse(own_secret_file, "can be read by others");
  return {value_of(server_public_file, "public-key"), value_of(own_secret_file, "public-key"),
          value_of(own_secret_file, "secret-key")};
}

}  // namespace robot_gcrl
