// The guard: what stands between a command and a motor, on the robot's side.
//
// A state machine with explicit time, run by the loop that writes the motors; it reads no clock and
// holds no socket. Every call takes the time, monotonic nanoseconds on the clock that also stamps
// the reports. Once made, `tick` allocates nothing and throws nothing while no stop begins. Not for
// several threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "robot_gcrl/limits.hpp"
#include "robot_gcrl/motion.hpp"
#include "robot_gcrl/watchdog.hpp"

namespace robot_gcrl {

// What is to be written now, and why.
struct Tick {
  std::vector<double> ctrl;  // finite and within the bounds
  State state = State::kWaiting;
  double ramp = 0.0;        // how far motion is faded in, from 0 to 1
  std::vector<Clip> clips;  // where which limit changed the command
  std::optional<std::int64_t> report_ns;  // stamp of the report that the running command answers

  std::uint32_t clipped() const;  // how many numbers of the command were changed
};

class Guard {
 public:
  // At rest where the robot is, without a session. `tick_ns` is the period of the loop; 0 is the
  // control period. Throws SetupError: a stop rule needs a velocity that is not measured, or the
  // measurement is not finite or outside of the joints' limits.
  Guard(const Limits& limits, std::int64_t now_ns, const Joints& joints, std::int64_t tick_ns = 0);

  // A server has accepted the hello; a link stop ends, a latched stop does not. `scale`, in (0, 1],
  // multiplies all limits but those of positions.
  void begin_session(std::int64_t now_ns, double scale);
  // The session is over (a bye, a closed socket): the link stop, at once.
  void lose_link(std::int64_t now_ns, const std::string& reason);
  // The latched stop: of an operator, or for a fault of the robot.
  void stop(std::int64_t now_ns, const std::string& reason, bool is_fault = false);
  // An operator ends the latched stop; whether there was one. Motion fades in again with the next
  // command. What made the robot stop latches it again if it lasts.
  bool clear(std::int64_t now_ns);
  // Takes a command (rows of one number for each actuator), or says and counts why not.
  Verdict accept(std::int64_t now_ns, const std::vector<float>& values, std::int64_t report_ns,
                 std::int64_t valid_until_ns);
  // The server answers the report of `report_ns` and commands nothing: no goal, a dry run. The link
  // is alive, the robot holds, and motion fades in with the next command.
  Verdict idle(std::int64_t now_ns, std::int64_t report_ns);
  // What to write to the motors now; valid until the next call.
  const Tick& tick(std::int64_t now_ns, const Joints& joints);

  // As of the last tick.
  State state() const { return tick_.state; }
  double ramp() const { return tick_.ramp; }
  const std::optional<StopReason>& latched() const { return watchdog_.latched(); }
  const std::optional<StopReason>& link_stop() const { return watchdog_.lost(); }
  const Counters& counters() const { return watchdog_.counters(); }

 private:
  bool move(std::int64_t dt_ns);  // whether a command was followed
  void rest(std::int64_t dt_ns);
  void count_clips();

  Limits limits_;
  std::int64_t tick_ns_;
  bool needs_velocity_;
  Joints known_;  // the usable part of the newest measurement
  Watchdog watchdog_;
  std::optional<Motion> motion_;
  std::int64_t ticked_at_ = 0;
  std::optional<std::int64_t> rests_since_ = 0;
  bool is_damped_ = false;
  std::vector<double> before_;
  Tick tick_;
};

}  // namespace robot_gcrl
