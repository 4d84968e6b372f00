// As much of TOML as a profile needs: lines of key = value, where a value is a text, a number or an
// array of these. Everything else is refused, not skipped: a limit that is not understood is not a
// limit that may be left out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace robot_gcrl {

// Throws SetupError: what a profile has, and what was expected.
[[noreturn]] void refuse_profile(const std::string& profile, const std::string& what,
                                 const std::string& expected);

using TomlScalar = std::variant<std::string, double>;

struct TomlValue {
  bool is_array = false;
  std::vector<TomlScalar> entries;
};

// The values of a profile, taken out one by one, so that what is left at the end is unknown. A
// column has one value for each actuator, or a single one for all. Everything here throws
// SetupError.
class ProfileTable {
 public:
  ProfileTable(const std::string& text, const std::string& profile);

  std::string text(const std::string& key);
  std::optional<double> number(const std::string& key);
  std::vector<std::string> texts(const std::string& key);
  std::vector<double> numbers(const std::string& key);
  // "none" stands where nothing is prescribed; such a column of numbers may be left out.
  std::vector<std::optional<double>> maybe_numbers(const std::string& key);
  std::vector<std::optional<std::string>> maybe_texts(const std::string& key);
  void require_empty() const;

 private:
  TomlValue take(const std::string& key);
  std::vector<TomlScalar> column_of(const std::string& key);
  std::string text_of(const std::string& key, const TomlScalar& entry) const;
  double number_of(const std::string& key, const TomlScalar& entry) const;

  std::map<std::string, TomlValue> values_;
  std::string profile_;
  std::size_t count_ = 0;
};

}  // namespace robot_gcrl
