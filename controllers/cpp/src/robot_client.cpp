#include "robot_gcrl/robot_client.hpp"

#include <algorithm>
#include <cmath>

#include "robot_gcrl/pacing.hpp"
#include "robot_gcrl/wire.hpp"

namespace robot_gcrl {
namespace {

std::uint32_t number_of(Code code) { return static_cast<std::uint32_t>(code); }

// What of a status says that the server is alive and commands nothing. Not kStaleReport: one report
// was late, and the command in force still counts.
bool is_idle(std::uint32_t code) {
  return code == number_of(Code::kNoGoal) || code == number_of(Code::kDryRun) ||
         code == number_of(Code::kStopped) || code == number_of(Code::kNoPolicy) ||
         code == number_of(Code::kHold);
}

}  // namespace

RobotClient::RobotClient(const Contract& contract, const Profile& profile,
                         const LinkOptions& options, const Joints& joints, Log log)
    : contract_(contract),
      limits_(fit(contract, profile)),
      guard_(limits_, monotonic_ns(), joints),
      link_(contract, options),
      log_(std::move(log)) {}

const Tick& RobotClient::step(const std::vector<float>& inputs, const Joints& joints) {
  const std::int64_t stamp = report(inputs);
  receive(stamp, stamp + limits_.period_ns / 2);
  return tick(joints);
}

void RobotClient::close(const std::string& reason) {
  const std::int64_t now = monotonic_ns();
  guard_.lose_link(now, reason);  // first: the link may be what has failed
  link_.close(now, reason);
}

const Tick& RobotClient::rest(const Joints& joints) { return tick(joints); }

void RobotClient::fault(const std::string& reason) { guard_.stop(monotonic_ns(), reason, true); }

// Sends what was measured now, or says hello where there is no session; returns the stamp.
std::int64_t RobotClient::report(const std::vector<float>& inputs) {
  const std::int64_t now = monotonic_ns();
  // The link stop is over with the next session alone
  if (guard_.link_stop() && link_.has_session()) link_.end();
  if (!link_.has_session()) {
    if (!refusal_) link_.hello(now, guard_.latched() ? guard_.latched()->text() : "", goal_);
    const std::string failure = link_.failure();
    if (!failure.empty()) say(now, failure);
    return now;
  }
  const auto is_finite = [](float value) { return std::isfinite(value); };
  if (!std::all_of(inputs.begin(), inputs.end(), is_finite)) {
    // A sensor that fails measures nothing that could be reported. The session stays, so that an
    // operator's clear finds the robot. No report says that it is latched: a status does
    const std::string stop = guard_.latched() ? guard_.latched()->text() : "";
    if (stop.empty() || stop == told_stop_)
      link_.send(Heartbeat{}, now);
    else
      link_.send(Status{"", number_of(Code::kStopped), stop}, now);
    told_stop_ = stop;
    return now;
  }
  told_stop_.clear();
  Report report;
  report.flags = (guard_.state() == State::kHold ? kFlagHold : 0u) |
                 (guard_.latched() ? kFlagLatchedStop : 0u) |
                 (guard_.state() == State::kRun && guard_.ramp() < 1.0 ? kFlagRamp : 0u);
  report.age_ns = age_ns_;
  report.clipped = clipped_;
  report.inputs = pack_floats(inputs);
  report.ctrl = written_;
  // The stamp of the newest command plus the time that it lay here: what the server then subtracts
  // from its clock is the time on the way alone
  const std::int64_t echo = newest_stamp_ == 0 ? 0 : newest_stamp_ + (now - newest_came_);
  link_.send(report, now, echo, newest_stamp_ == 0 ? 0 : newest_seq_);
  ++reports_;
  return now;
}

// Deals with what comes until the report of `report_ns` is answered, or time is up.
void RobotClient::receive(std::int64_t report_ns, std::int64_t until_ns) {
  while (const auto message = link_.next(until_ns))
    if (handle(*message) >= report_ns) until_ns = 0;
}

const Tick& RobotClient::tick(const Joints& joints) {
  const std::int64_t now = monotonic_ns();
  const Tick& tick = guard_.tick(now, joints);
  written_ = pack_floats({tick.ctrl.begin(), tick.ctrl.end()});
  age_ns_ = tick.report_ns ? std::max<std::int64_t>(now - *tick.report_ns, 0) : 0;
  clipped_ = tick.clipped();
  note_changes(now);
  return tick;
}

std::int64_t RobotClient::handle(const Message& message) {
  const std::int64_t now = monotonic_ns();
  const auto& [header, body] = message;
  if (const auto* command = std::get_if<Command>(&body)) return take(header, *command, now);
  if (const auto* status = std::get_if<Status>(&body)) return hear(header, *status, now);
  if (const auto* welcome = std::get_if<Welcome>(&body)) {
    begin(*welcome, now);
  } else if (const auto* reject = std::get_if<Reject>(&body)) {
    be_rejected(*reject, now);
  } else if (const auto* stop = std::get_if<Stop>(&body)) {
    guard_.stop(now, stop->reason);
    answer(header, Code::kStopped, stop->reason, now);
  } else if (std::holds_alternative<Clear>(body)) {
    const bool was_latched = guard_.clear(now);
    told_stop_.clear();
    answer(header, Code::kCleared, was_latched ? "cleared" : "no stop held", now);
  } else if (const auto* goal = std::get_if<Goal>(&body)) {
    goal_ = goal->goal;
  } else if (const auto* bye = std::get_if<Bye>(&body)) {
    say(now, "the server said bye: " + bye->reason);
    guard_.lose_link(now, "the server said bye: " + bye->reason);
    link_.end();
  }
  return 0;  // a heartbeat, or what is not for robots
}

std::int64_t RobotClient::take(const Header& header, const Command& command, std::int64_t now) {
  newest_stamp_ = header.stamp_ns;
  newest_seq_ = header.seq;
  newest_came_ = now;
  if (command.goal.size() == 4 * contract_.goal_size) goal_ = command.goal;
  // Numbers that are not finite, or too few, are for the guard to see: they stop the robot
  const bool is_whole = command.chunk.size() % 4 == 0;
  const auto values = is_whole ? unpack_floats(command.chunk) : std::vector<float>();
  guard_.accept(now, values, header.echo_ns, command.valid_until_ns);
  return header.echo_ns;
}

std::int64_t RobotClient::hear(const Header& header, const Status& status, std::int64_t now) {
  if (header.session == 0) {
    // The watchdog goes on: a server that was restarted may be back before it bites
    say(now, "the server does not know this session");
    link_.end();
    return 0;
  }
  if (status.code == number_of(Code::kBadReport) && status.text != complaint_) {
    complaint_ = status.text;  // the same comes with each report
    say(now, "the server refuses the reports: " + complaint_);
  }
  if (header.ref_seq == 0 || !is_idle(status.code)) return 0;
  guard_.idle(now, header.echo_ns);
  return header.echo_ns;
}

void RobotClient::begin(const Welcome& welcome, std::int64_t now) {
  guard_.begin_session(now, welcome.scale);
  newest_stamp_ = 0;
  rejected_with_ = 0;
  say(now, "session with " + welcome.policy + ", scale " + std::to_string(welcome.scale) +
               (welcome.dry_run ? ", dry run" : ""));
}

void RobotClient::be_rejected(const Reject& reject, std::int64_t now) {
  // While a robot is in use the same comes again and again, with another age
  if (reject.code != rejected_with_) say(now, "the server refuses this robot: " + reject.text);
  rejected_with_ = reject.code;
  // A robot that is in use, or a server that is not ready, may be asked again
  if (reject.code == number_of(Code::kBadContract) || reject.code == number_of(Code::kBadRole))
    refusal_ = reject;
}

void RobotClient::answer(const Header& header, Code code, const std::string& text,
                         std::int64_t now) {
  link_.send(Status{"", number_of(code), text}, now, header.stamp_ns, header.seq);
}

void RobotClient::note_changes(std::int64_t now) {
  if (guard_.state() == noted_) return;
  noted_ = guard_.state();
  const auto& stop = guard_.latched() ? guard_.latched() : guard_.link_stop();
  say(now, std::string("state ") + name_of(noted_) +
               (noted_ >= State::kStop && stop ? ": " + stop->text() : ""));
}

// The same line twice in a row is news once.
void RobotClient::say(std::int64_t now, const std::string& text) {
  if (text == last_said_) return;
  last_said_ = text;
  log_(now, text);
}

}  // namespace robot_gcrl
