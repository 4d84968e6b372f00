#include "robot_gcrl/json.hpp"

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace robot_gcrl {

class JsonParser {
 public:
  explicit JsonParser(const std::string& text) : next_(text.c_str()), end_(next_ + text.size()) {}

  Json document() {
    Json value = read(0);
    skip_space();
    if (next_ != end_) refuse();
    return value;
  }

 private:
  static constexpr int kDeepest = 16;

  Json read(int depth) {
    skip_space();
    Json json;
    if (depth > kDeepest) refuse();
    if (take("null")) {
      json.value_ = nullptr;
    } else if (take("true")) {
      json.value_ = true;
    } else if (take("false")) {
      json.value_ = false;
    } else if (peek() == '"') {
      json.value_ = string();
    } else if (take("[")) {
      json.value_ = array(depth);
    } else if (take("{")) {
      json.value_ = object(depth);
    } else {
      json.value_ = number();
    }
    return json;
  }

  Json::Array array(int depth) {
    Json::Array values;
    skip_space();
    if (take("]")) return values;
    do {
      values.push_back(read(depth + 1));
      skip_space();
    } while (take(","));
    require("]");
    return values;
  }

  Json::Object object(int depth) {
    Json::Object entries;
    skip_space();
    if (take("}")) return entries;
    do {
      skip_space();
      std::string key = string();
      skip_space();
      require(":");
      entries.emplace_back(std::move(key), read(depth + 1));
      skip_space();
    } while (take(","));
    require("}");
    return entries;
  }

  double number() {
    // from_chars knows "inf" and "nan", and no locale: 0.05 is 0.05 on a robot that speaks German
    const char* after = next_ + std::strspn(next_, "+-.0123456789eE");
    double value = 0.0;
    const auto found = std::from_chars(next_, after, value);
    if (found.ec != std::errc() || found.ptr != after) refuse();
    next_ = after;
    return value;
  }

  std::string string() {
    require("\"");
    std::string text;
    while (peek() != '"') {
      if (next_ == end_ || static_cast<unsigned char>(*next_) < 0x20) refuse();
      if (*next_ != '\\') {
        text += *next_++;
        continue;
      }
      ++next_;
      escape(text);
    }
    ++next_;
    return text;
  }

  void escape(std::string& text) {
    static const char kShort[] = "\"\\/bfnrt";
    static const char kMeant[] = "\"\\/\b\f\n\r\t";
    const char kind = peek();
    const char* found = kind == '\0' ? nullptr : std::strchr(kShort, kind);
    if (found != nullptr) {
      ++next_;
      text += kMeant[found - kShort];
      return;
    }
    require("u");
    unsigned code = hex();
    if (code >= 0xd800 && code < 0xdc00) {
      require("\\u");
      const unsigned low = hex();
      if (low < 0xdc00 || low > 0xdfff) refuse();
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(text, code);
  }

  unsigned hex() {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i, ++next_) {
      if (!std::isxdigit(static_cast<unsigned char>(peek()))) refuse();
      const char digit[2] = {*next_, '\0'};
      value = value * 16 + static_cast<unsigned>(std::strtoul(digit, nullptr, 16));
    }
    return value;
  }

  static void append_utf8(std::string& text, unsigned code) {
    const auto add = [&](unsigned byte) { text += static_cast<char>(byte); };
    if (code < 0x80) return add(code);
    if (code < 0x800) {
      add(0xc0 | (code >> 6));
    } else if (code < 0x10000) {
      add(0xe0 | (code >> 12));
      add(0x80 | ((code >> 6) & 0x3f));
    } else {
      add(0xf0 | (code >> 18));
      add(0x80 | ((code >> 12) & 0x3f));
      add(0x80 | ((code >> 6) & 0x3f));
    }
    add(0x80 | (code & 0x3f));
  }

  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++next_;
  }

  // The text ends with '\0', so one character may always be looked at.
  char peek() const { return *next_; }

  bool take(const char* word) {
    const std::size_t size = std::strlen(word);
    if (static_cast<std::size_t>(end_ - next_) < size || std::strncmp(next_, word, size) != 0)
      return false;
    next_ += size;
    return true;
  }

  void require(const char* word) {
    if (!take(word)) refuse();
  }

  [[noreturn]] static void refuse() {
    throw SetupError(
        "The contract is no JSON. Expected the text that Contract.canonical_json writes. Take the "
        "file that belongs to the policy.");
  }

  const char* next_;
  const char* end_;
};

Json Json::parse(const std::string& text) { return JsonParser(text).document(); }

const Json& Json::at(const std::string& key) const {
  for (const auto& [name, value] : get<Object>("an object"))
    if (name == key) return value;
  throw SetupError("The contract has no '" + key +
                   "'. Expected one of this library's release. Take the file that belongs to the "
                   "policy.");
}

}  // namespace robot_gcrl
