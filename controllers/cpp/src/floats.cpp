#include <algorithm>
#include <cmath>
#include <cstring>

#include "robot_gcrl/wire.hpp"

namespace robot_gcrl {

Bytes pack_floats(const std::vector<float>& values) {
  Bytes field;
  field.reserve(4 * values.size());
  for (const float value : values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    for (int shift = 0; shift < 32; shift += 8)
      field.push_back(static_cast<std::uint8_t>((bits >> shift) & 0xff));
  }
  return field;
}

std::vector<float> unpack_floats(const Bytes& field) {
  std::vector<float> values(field.size() / 4);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 4; ++k)
      bits |= static_cast<std::uint32_t>(field[4 * i + k]) << (8 * k);
    std::memcpy(&values[i], &bits, sizeof bits);
  }
  return values;
}

std::vector<float> floats(const Bytes& field, std::size_t count, Code code, const char* name) {
  if (field.size() != 4 * count)
    throw WireError(code, std::string(name) + " has " + std::to_string(field.size()) +
                              " bytes, not 4 x " + std::to_string(count));
  std::vector<float> values = unpack_floats(field);
  for (const float value : values)
    if (!std::isfinite(value))
      throw WireError(code, std::string(name) + " holds a number that is not finite");
  return values;
}

std::string shortened(const std::string& text) {
  // Bytes are at least as many as characters; 10xxxxxx continues a character
  std::size_t size = std::min(text.size(), kMaxText);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
    --size;
  return text.substr(0, size);
}

}  // namespace robot_gcrl
