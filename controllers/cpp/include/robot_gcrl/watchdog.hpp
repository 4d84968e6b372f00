// Session, timers, stops and the command in force: in which state a robot is.
//
// Time is what the caller passes, monotonic nanoseconds; durations are summed from call to call, so
// that a clock that goes back ends no stop and prolongs no command. Two kinds of stop hold side by
// side: the link stop (no fresh command, or the link lost) ends with the next session; the latched
// stop ends with `clear` alone. A stop drops the command, and nothing accepted before it is run
// after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "robot_gcrl/limits.hpp"

namespace robot_gcrl {

// Before the first session; with a fresh command; without one; link stop; latched stop.
enum class State { kWaiting, kRun, kHold, kStop, kLatched };

const char* name_of(State state);

// Why a robot stands; of several reasons the first.
struct StopReason {
  std::string cause;  // operator, command, limit, robot (a fault of its own), link
  std::string reason;
  int times = 1;  // how many reasons came until now

  // As a hello reports it.
  std::string text() const { return cause + ": " + reason; }
};

// What became of a command. Old: it answers a report that is too old or of before this session, or
// it is valid no more. Repeated: an accepted one answered that report or a later one. Unasked: it
// answers a report of the future. Refused: not finite or of another length; the robot stops.
enum class Verdict {
  kAccepted, kOld, kRepeated, kUnasked, kRefused, kWhileStopped, kWithoutSession
};

const char* name_of(Verdict verdict);

struct Counters {
  std::int64_t verdicts[7] = {};  // commands, by Verdict
  std::int64_t holds = 0, link_stops = 0, latched_stops = 0;  // how often each began
  std::int64_t bounds = 0, velocity = 0, acceleration = 0, margin = 0;  // ticks with such a clip

  std::int64_t of(Verdict verdict) const { return verdicts[static_cast<int>(verdict)]; }
};

class Watchdog {
 public:
  Watchdog(const Limits& limits, std::int64_t now_ns);

  // Lets time pass; this is where the watchdog bites.
  void advance(std::int64_t now_ns);
  // The link stop ends; commands that answer a report from now on may come.
  void begin_session();
  // The link stop; without a session there is no link to lose.
  void lose(const std::string& reason);
  void latch(const std::string& cause, const std::string& reason);
  // Ends the latched stop; whether there was one.
  bool clear();
  // Judges a command of `values`, rows of one number for each actuator, and takes it if accepted.
  Verdict accept(const std::vector<float>& values, std::int64_t report_ns,
                 std::int64_t valid_until_ns);
  // The server answers a report and commands nothing: the link is alive, the robot holds.
  Verdict accept_idleness(std::int64_t report_ns);
  // The state now; `row` is set to what is commanded, or to nothing.
  State state_and_row(const double*& row) const;

  std::int64_t elapsed_ns() const { return elapsed_ns_; }
  const std::optional<StopReason>& latched() const { return latched_; }
  const std::optional<StopReason>& lost() const { return lost_; }
  // The stamp of the report that the command in force answers.
  std::optional<std::int64_t> report_ns() const {
    return has_command_ ? std::optional(report_ns_) : std::nullopt;
  }
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

 private:
  std::int64_t silence() const { return elapsed_ns_ - fresh_at_; }
  Verdict judge(std::int64_t report_ns, std::int64_t valid_until_ns) const;
  std::string problem(const std::vector<float>& values) const;
  Verdict count(Verdict verdict);

  std::size_t size_;
  std::int64_t period_ns_, command_age_ns_, hold_ns_, stop_ns_;
  std::int64_t now_, since_, elapsed_ns_ = 0, fresh_at_ = 0;
  bool has_session_ = false;
  std::optional<std::int64_t> answered_;
  bool has_command_ = false;
  std::vector<double> chunk_;
  std::int64_t report_ns_ = 0, valid_until_ns_ = 0;
  std::optional<StopReason> latched_, lost_;
  Counters counters_;
};

}  // namespace robot_gcrl
