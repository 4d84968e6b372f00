// Replays calls of a guard and prints what it says, one line for each call.
// tests/controllers/test_cpp.py makes the calls, and compares the lines with those of the Python
// guard. Arguments: contract file, profile file, period of the loop [ns] or 0. Stdin, one call a
// line, numbers as decimals or hexadecimal floats; "n" numbers are a count and then as many:
//   make NOW n POSITION n VELOCITY        tick NOW n POSITION n VELOCITY
//   begin NOW SCALE   lose NOW   stop NOW   fault NOW   clear NOW
//   accept NOW REPORT VALID_UNTIL n VALUES          idle NOW REPORT
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "robot_gcrl/guard.hpp"
#include "robot_gcrl/setup_error.hpp"

using namespace robot_gcrl;

namespace {

double read_number(std::istream& line) {
  std::string word;
  line >> word;
  return std::strtod(word.c_str(), nullptr);
}

template <class T>
std::vector<T> read_numbers(std::istream& line) {
  std::size_t count = 0;
  line >> count;
  std::vector<T> numbers(count);
  for (auto& number : numbers) number = static_cast<T>(read_number(line));
  return numbers;
}

Joints read_joints(std::istream& line) {
  Joints joints;
  joints.position = read_numbers<double>(line);
  joints.velocity = read_numbers<double>(line);
  return joints;
}

void print(const Guard& guard, const Tick& tick) {
  std::printf("%s %a %u %" PRId64 " %s %s", name_of(tick.state), tick.ramp, tick.clipped(),
              tick.report_ns.value_or(-1), guard.latched() ? guard.latched()->cause.c_str() : "-",
              guard.link_stop() ? "link" : "-");
  for (const double value : tick.ctrl) std::printf(" %a", value);
  std::printf("\n");
}

void print(const Counters& c) {
  std::printf("counters");
  for (const auto count : c.verdicts) std::printf(" %" PRId64, count);
  for (const auto count :
       {c.holds, c.link_stops, c.latched_stops, c.bounds, c.velocity, c.acceleration, c.margin})
    std::printf(" %" PRId64, count);
  std::printf("\n");
}

void call(Guard& guard, const std::string& name, std::int64_t now, std::istream& line) {
  if (name == "tick") {
    print(guard, guard.tick(now, read_joints(line)));
  } else if (name == "accept") {
    std::int64_t report = 0, valid_until = 0;
    line >> report >> valid_until;
    std::puts(name_of(guard.accept(now, read_numbers<float>(line), report, valid_until)));
  } else if (name == "idle") {
    std::int64_t report = 0;
    line >> report;
    std::puts(name_of(guard.idle(now, report)));
  } else if (name == "clear") {
    std::puts(guard.clear(now) ? "cleared" : "nothing");
  } else {
    if (name == "begin") guard.begin_session(now, read_number(line));
    if (name == "lose") guard.lose_link(now, "lost");
    if (name == "stop" || name == "fault") guard.stop(now, "stopped", name == "fault");
    std::puts("done");
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 1;
  try {
    const Contract contract = load_contract(arguments[1]);
    const Limits limits = fit(contract, load_profile(arguments[2]));
    std::puts(contract.sha256.c_str());
    std::optional<Guard> guard;
    for (std::string text; std::getline(std::cin, text);) {
      std::istringstream line(text);
      std::string name;
      std::int64_t now = 0;
      line >> name >> now;
      if (name == "make") {
        guard.emplace(limits, now, read_joints(line), std::atoll(arguments[3]));
        std::puts("made");
      } else if (guard) {
        call(*guard, name, now, line);
      }
    }
    if (guard) print(guard->counters());
  } catch (const SetupError& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
  return 0;
}
