// Reads frames (length as 4 bytes little-endian, then the frame) from stdin; for each prints one
// line of JSON: what it says, or the code that refuses it. tests/controllers/test_cpp.py compares
// the lines with what Python reads. With two arguments, FIELD and COUNT, the numbers of that field
// are checked too, as by who knows from the handshake how many there are.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <limits>
#include <vector>

#include "robot_gcrl/wire.hpp"

using namespace robot_gcrl;

namespace {

// As a list of numbers for each byte: exact whatever the bytes mean.
class Printer {
 public:
  void text(const char* name, const std::string& value) { add(name, quoted(value)); }
  void long_text(const char* name, const std::string& value) { text(name, value); }
  void number(const char* name, double value) {
    char shown[40];
    std::snprintf(shown, sizeof shown, "%.17g", value);
    // A number without point or exponent would be read as an integer
    std::string text_shown = shown;
    if (text_shown.find_first_of(".e") == std::string::npos) text_shown += ".0";
    add(name, text_shown);
  }
  void count(const char* name, std::uint32_t value) { add(name, std::to_string(value)); }
  void time(const char* name, std::int64_t value) { add(name, std::to_string(value)); }
  void flag(const char* name, bool value) { add(name, value ? "true" : "false"); }
  void bytes(const char* name, const Bytes& value) {
    std::string shown = "[";
    for (const auto byte : value) shown += (shown.size() > 1 ? "," : "") + std::to_string(byte);
    add(name, shown + "]");
  }
  void rows(const char* name, const std::vector<std::array<std::string, 3>>& value) {
    std::string shown = "[";
    for (const auto& row : value)
      shown += std::string(shown.size() > 1 ? "," : "") + "[" + quoted(row[0]) + "," +
               quoted(row[1]) + "," + quoted(row[2]) + "]";
    add(name, shown + "]");
  }

  const std::string& shown() const { return shown_; }

 private:
  void add(const char* name, const std::string& value) {
    shown_ += std::string(shown_.empty() ? "" : ",") + "\"" + name + "\":" + value;
  }

  static std::string quoted(const std::string& text) {
    std::string shown = "\"";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      shown += byte < 0x20 || c == '"' || c == '\\' ? escaped : std::string(1, c);
    }
    return shown + "\"";
  }

  std::string shown_;
};

// Checks the numbers of one field.
struct NumbersChecker {
  std::string field;
  std::size_t size = 0;

  template <class T> void text(const char*, T&) {}
  template <class T> void long_text(const char*, T&) {}
  template <class T> void number(const char*, T&) {}
  template <class T> void count(const char*, T&) {}
  template <class T> void time(const char*, T&) {}
  template <class T> void flag(const char*, T&) {}
  template <class T> void rows(const char*, T&) {}
  void bytes(const char* name, const Bytes& value) {
    const Code code = field == "goal" ? Code::kBadGoal : Code::kBadReport;
    if (field == name) floats(value, size, code, name);
  }
};

std::string described(const Bytes& frame, NumbersChecker& numbers) {
  try {
    const Message message = decode(frame.data(), frame.size());
    Printer header, body;
    header.time("session", message.header.session);
    header.count("seq", message.header.seq);
    header.time("stamp_ns", message.header.stamp_ns);
    header.time("echo_ns", message.header.echo_ns);
    header.count("ref_seq", message.header.ref_seq);
    std::visit(
        [&](const auto& b) {
          std::decay_t<decltype(b)>::fields(numbers, b);
          std::decay_t<decltype(b)>::fields(body, b);
        },
        message.body);
    const bool same = encode(message.header, message.body) == frame;
    return "{\"type\":" + std::to_string(message.body.index() + 1) + ",\"header\":{" +
           header.shown() + "},\"body\":{" + body.shown() + "},\"same\":" +
           (same ? "true" : "false") + "}";
  } catch (const WireError& error) {
    return "{\"code\":" + std::to_string(static_cast<std::uint32_t>(error.code())) +
           ",\"ref_seq\":" + std::to_string(error.header().seq) + ",\"text\":\"" + error.what() +
           "\"}";
  }
}

// The code that refuses a field's numbers where the handshake fixed their count; 0 if none does.
std::uint32_t numbers_code(const std::vector<float>& values, std::size_t count) {
  try {
    floats(pack_floats(values), count, Code::kBadReport, "inputs");
    return 0;
  } catch (const WireError& error) {
    return static_cast<std::uint32_t>(error.code());
  }
}

bool check(bool holds, const char* what) {
  if (!holds) std::cerr << "failed: " << what << "\n";
  return holds;
}

// What needs no frame of Python's.
bool check_itself() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  const auto bad = static_cast<std::uint32_t>(Code::kBadReport);
  bool holds = check(is_newer(1, 0) && !is_newer(0, 0) && !is_newer(0, 1), "is_newer");
  holds &= check(is_newer(0, 0xffffffff) && !is_newer(0xffffffff, 0), "is_newer across the wrap");
  holds &= check(is_newer(0x7fffffff, 0) && !is_newer(0x80000000, 0), "is_newer half way");
  holds &= check(numbers_code({3e38f, 3e38f, -1.0f}, 3) == 0, "floats whose sum overflows");
  holds &= check(numbers_code({1.0f, nan}, 2) == bad, "NaN");
  holds &= check(numbers_code({infinite, -infinite}, 2) == bad, "infinities");
  holds &= check(numbers_code({1.0f}, 2) == bad, "too few");
  holds &= check(shortened(std::string(1023, 'x') + "\u20ac") == std::string(1023, 'x'), "cut");
  holds &= check(pack_floats({1.0f}) == Bytes({0x00, 0x00, 0x80, 0x3f}), "little-endian");
  return holds;
}

}  // namespace

int main(int count, char** arguments) {
  if (!check_itself()) return 1;
  NumbersChecker numbers;
  if (count == 3) numbers = {arguments[1], std::stoul(arguments[2])};
  std::ios::sync_with_stdio(false);
  const std::vector<char> all{std::istreambuf_iterator<char>(std::cin), {}};
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::size_t size = 0;
    for (std::size_t k = 0; k < 4; ++k)
      size |= static_cast<std::size_t>(static_cast<std::uint8_t>(all[at + k])) << (8 * k);
    at += 4;
    if (size > all.size() - at) return 1;
    const auto* data = reinterpret_cast<const std::uint8_t*>(all.data()) + at;
    // A copy of its own length, so that reading beyond it is seen by a sanitizer
    std::cout << described(Bytes(data, data + size), numbers) << "\n";
    at += size;
  }
  return 0;
}
