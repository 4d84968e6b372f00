#include "options.hpp"

#include <cmath>
#include <map>

#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {
namespace {

constexpr const char* kUsage =
    "Usage: robot_gcrl_controller --connect ENDPOINT --robot ID --contract FILE --profile FILE "
    "[--seconds N] [--speed N] [--trace FILE.csv] [--key FILE.key_secret --server-key FILE.key]";

[[noreturn]] void refuse(const std::string& what) { throw SetupError(what + " " + kUsage); }

double positive(const std::string& name, const std::string& text) {
  try {
    std::size_t end = 0;
    const double value = std::stod(text, &end);
    if (end == text.size() && std::isfinite(value) && value > 0.0) return value;
  } catch (const std::logic_error&) {  // no number, or one too large: said below
  }
  refuse("The option " + name + " is '" + text + "'. Expected a number above 0.");
}

}  // namespace

Options read_options(int count, char** arguments) {
  Options options;
  const std::map<std::string, std::string*> texts = {
      {"--connect", &options.connect},   {"--robot", &options.robot},
      {"--contract", &options.contract}, {"--profile", &options.profile},
      {"--trace", &options.trace},       {"--key", &options.key},
      {"--server-key", &options.server_key}};
  const std::map<std::string, double*> numbers = {{"--seconds", &options.seconds},
                                                  {"--speed", &options.speed}};
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    const auto text = texts.find(name);
    const auto number = numbers.find(name);
    if (text == texts.end() && number == numbers.end()) refuse("Unknown option '" + name + "'.");
    if (i + 1 == count) refuse("The option " + name + " lacks its value.");
    if (text != texts.end())
      *text->second = arguments[i + 1];
    else
      *number->second = positive(name, arguments[i + 1]);
  }
  for (const char* name : {"--connect", "--robot", "--contract", "--profile"})
    if (texts.at(name)->empty()) refuse(std::string("The option ") + name + " is missing.");
  if (options.key.empty() != options.server_key.empty())
    refuse("Of the options --key and --server-key one is missing.");
  return options;
}

}  // namespace robot_gcrl
