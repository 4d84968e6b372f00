// Keys of an encrypted link, from the files that `robot-gcrl keys` makes.
#pragma once

#include <string>

namespace robot_gcrl {

// Z85 texts of 40 characters.
struct CurveKeys {
  std::string server;  // the server's public key
  std::string own_public, own_secret;
};

// Of the robot's FILE.key_secret and the server's FILE.key. Throws SetupError: a file that cannot
// be read or holds no key, or a secret that others may read.
CurveKeys load_keys(const std::string& own_secret_file, const std::string& server_public_file);

}  // namespace robot_gcrl
