// The robot's end of the bridge: reports out, commands in, and the guard before the motors.
//
//   RobotClient client(contract, profile, options, joints);
//   while (running) {
//     pacer.wait();
//     const Tick& tick = client.step(inputs, joints);
//     write_to_motors(tick.ctrl);
//   }
//
// Nothing here waits longer than half a control period, and nothing that a server sends or fails to
// send makes `step` return what the guard did not allow. Not for several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "robot_gcrl/guard.hpp"
#include "robot_gcrl/link.hpp"

namespace robot_gcrl {

class RobotClient {
 public:
  // What happened, for a person: the monotonic time [ns] and a line.
  using Log = std::function<void(std::int64_t, const std::string&)>;

  // `joints`: measured now. Throws SetupError: the profile does not fit the contract, or the robot
  // cannot start as it is.
  RobotClient(const Contract& contract, const Profile& profile, const LinkOptions& options,
              const Joints& joints, Log log);

  // One control step: reports `inputs` (in contract order, SI), waits for the answer for half a
  // control period, and says what to write. An answer that comes later is taken in by the next
  // step, if it is not too old by then.
  const Tick& step(const std::vector<float>& inputs, const Joints& joints);

  // Says bye. From now on `rest` says what to write, until the motors are left safe.
  void close(const std::string& reason);
  const Tick& rest(const Joints& joints);

  // A fault that the robot found itself: stops until an operator clears it.
  void fault(const std::string& reason);

  // Why the server will not have this robot, whatever it does: the wrong contract or role.
  const std::optional<Reject>& refusal() const { return refusal_; }
  const Guard& guard() const { return guard_; }
  const LinkCounters& link() const { return link_.counters(); }
  std::int64_t reports() const { return reports_; }

 private:
  std::int64_t report(const std::vector<float>& inputs);
  void receive(std::int64_t report_ns, std::int64_t until_ns);
  const Tick& tick(const Joints& joints);
  // Deals with a message; returns the stamp of the report that it answers, or 0.
  std::int64_t handle(const Message& message);
  std::int64_t take(const Header& header, const Command& command, std::int64_t now);
  std::int64_t hear(const Header& header, const Status& status, std::int64_t now);
  void begin(const Welcome& welcome, std::int64_t now);
  void be_rejected(const Reject& reject, std::int64_t now);
  void answer(const Header& header, Code code, const std::string& text, std::int64_t now);
  void note_changes(std::int64_t now);
  void say(std::int64_t now, const std::string& text);

  const Contract& contract_;
  Limits limits_;
  Guard guard_;
  Link link_;
  Log log_;
  std::optional<Reject> refusal_;
  std::string told_stop_;  // of a robot that cannot report
  std::string complaint_;  // why the server refused the newest report that it refused
  std::uint32_t rejected_with_ = 0;
  std::string last_said_;
  Bytes goal_;              // the last one heard of: a restarted server goes on with it
  Bytes written_;           // ctrl that was last written; empty before
  std::int64_t age_ns_ = 0;  // of the command that was last written
  std::uint32_t clipped_ = 0;
  // Stamp and number of the newest command, and when it came: for the round-trip time
  std::int64_t newest_stamp_ = 0, newest_came_ = 0;
  std::uint32_t newest_seq_ = 0;
  std::int64_t reports_ = 0;
  State noted_ = State::kWaiting;
};

}  // namespace robot_gcrl
