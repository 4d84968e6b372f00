#include "toml.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {
namespace {

class TomlParser {
 public:
  TomlParser(const std::string& text, const std::string& profile)
      : next_(text.c_str()), profile_(profile) {}

  std::map<std::string, TomlValue> document() {
    std::map<std::string, TomlValue> values;
    for (skip(true); peek() != '\0'; skip(true)) {
      const std::string key = word();
      skip(false);
      if (key.empty() || !take('=')) fail("something that is not 'key = value'");
      skip(false);
      if (!values.emplace(key, value()).second) fail("'" + key + "' twice");
      skip(false);
      if (peek() != '\n' && peek() != '\0') fail("something after the value of '" + key + "'");
    }
    return values;
  }

 private:
  TomlValue value() {
    if (!take('[')) return {false, {scalar()}};
    TomlValue array{true, {}};
    for (skip(true); !take(']'); skip(true)) {
      array.entries.push_back(scalar());
      skip(true);
      if (!take(',') && peek() != ']') fail("an array without its end");
    }
    return array;
  }

  TomlScalar scalar() {
    for (const char quote : {'"', '\''})
      if (take(quote)) return text(quote);
    std::string digits = word();
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.erase(0, 1);
    double number = 0.0;
    const char* end = digits.data() + digits.size();
    const auto found = std::from_chars(digits.data(), end, number);
    if (found.ec != std::errc() || found.ptr != end || !std::isfinite(number))
      fail("'" + digits + "' where a number or a text in quotes belongs");
    return number;
  }

  std::string text(char quote) {
    std::string found;
    while (peek() != quote) {
      if (peek() == '\0' || peek() == '\n' || peek() == '\\') fail("a text without its end");
      found += *next_++;
    }
    ++next_;
    return found;
  }

  std::string word() {
    std::string found;
    while (std::isalnum(static_cast<unsigned char>(peek())) || (peek() != '\0' &&
           std::string("_+-.").find(peek()) != std::string::npos))
      found += *next_++;
    return found;
  }

  void skip(bool lines) {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '#' ||
           (lines && peek() == '\n')) {
      if (peek() == '#')
        while (peek() != '\n' && peek() != '\0') ++next_;
      else
        ++next_;
    }
  }

  bool take(char c) {
    if (peek() != c) return false;
    ++next_;
    return true;
  }

  char peek() const { return *next_; }

  [[noreturn]] void fail(const std::string& what) const {
    refuse_profile(profile_, what, "lines of key = value, as in controllers/profiles");
  }

  const char* next_;
  std::string profile_;
};

bool is_none(const TomlScalar& entry) {
  const auto* text = std::get_if<std::string>(&entry);
  return text != nullptr && *text == "none";
}

}  // namespace

void refuse_profile(const std::string& profile, const std::string& what,
                    const std::string& expected) {
  throw SetupError("The profile '" + profile + "' has " + what + ". Expected " + expected +
                   ". Mend the file.");
}

ProfileTable::ProfileTable(const std::string& text, const std::string& profile)
    : values_(TomlParser(text, profile).document()), profile_(profile) {
  const auto found = values_.find("actuators");
  if (found == values_.end() || !found->second.is_array || found->second.entries.empty())
    refuse_profile(profile_, "no array 'actuators'", "their names");
  count_ = found->second.entries.size();
}

std::string ProfileTable::text(const std::string& key) {
  const TomlValue value = take(key);
  if (value.is_array) refuse_profile(profile_, "an array of " + key, "a text");
  return text_of(key, value.entries[0]);
}

std::optional<double> ProfileTable::number(const std::string& key) {
  if (values_.count(key) == 0) return {};
  const TomlValue value = take(key);
  if (value.is_array) refuse_profile(profile_, "an array of " + key, "a number");
  return number_of(key, value.entries[0]);
}

std::vector<std::string> ProfileTable::texts(const std::string& key) {
  std::vector<std::string> column;
  for (const auto& entry : column_of(key)) column.push_back(text_of(key, entry));
  return column;
}

std::vector<double> ProfileTable::numbers(const std::string& key) {
  std::vector<double> column;
  for (const auto& entry : column_of(key)) column.push_back(number_of(key, entry));
  return column;
}

std::vector<std::optional<double>> ProfileTable::maybe_numbers(const std::string& key) {
  if (values_.count(key) == 0) return std::vector<std::optional<double>>(count_);
  std::vector<std::optional<double>> column;
  for (const auto& entry : column_of(key))
    column.push_back(is_none(entry) ? std::nullopt : std::optional(number_of(key, entry)));
  return column;
}

std::vector<std::optional<std::string>> ProfileTable::maybe_texts(const std::string& key) {
  std::vector<std::optional<std::string>> column;
  for (const auto& entry : column_of(key))
    column.push_back(is_none(entry) ? std::nullopt : std::optional(text_of(key, entry)));
  return column;
}

void ProfileTable::require_empty() const {
  if (!values_.empty())
    refuse_profile(profile_, "'" + values_.begin()->first + "'", "no key that is not known");
}

TomlValue ProfileTable::take(const std::string& key) {
  const auto found = values_.find(key);
  if (found == values_.end()) refuse_profile(profile_, "no '" + key + "'", "it");
  TomlValue value = found->second;
  values_.erase(found);
  return value;
}

std::vector<TomlScalar> ProfileTable::column_of(const std::string& key) {
  TomlValue value = take(key);
  if (!value.is_array) value.entries.resize(count_, value.entries[0]);
  if (value.entries.size() != count_)
    refuse_profile(profile_,
                   std::to_string(value.entries.size()) + " values of " + key + " for " +
                       std::to_string(count_) + " actuators",
                   "one for each, or a single one for all");
  return value.entries;
}

std::string ProfileTable::text_of(const std::string& key, const TomlScalar& entry) const {
  const auto* text = std::get_if<std::string>(&entry);
  if (text == nullptr || text->empty()) refuse_profile(profile_, "no text in " + key, "one");
  return *text;
}

double ProfileTable::number_of(const std::string& key, const TomlScalar& entry) const {
  const auto* number = std::get_if<double>(&entry);
  if (number == nullptr) refuse_profile(profile_, "a text in " + key, "a number");
  return *number;
}

}  // namespace robot_gcrl
