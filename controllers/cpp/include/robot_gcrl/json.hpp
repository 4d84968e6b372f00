// As much of JSON as a contract needs: read once, before the robot moves.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  // Throws SetupError: the text is not one JSON value, or is nested deeper than any contract.
  static Json parse(const std::string& text);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }

  // Each throws SetupError if the value is of another kind, or the object has no such key.
  const Json& at(const std::string& key) const;
  double number() const { return get<double>("a number"); }
  const std::string& text() const { return get<std::string>("a text"); }
  const Array& array() const { return get<Array>("an array"); }

 private:
  friend class JsonParser;

  template <class T>
  const T& get(const char* expected) const {
    if (const T* found = std::get_if<T>(&value_)) return *found;
    throw SetupError(std::string("The contract has a value of the wrong kind. Expected ") +
                     expected + ". Take the file that belongs to the policy.");
  }

  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value_;
};

}  // namespace robot_gcrl
