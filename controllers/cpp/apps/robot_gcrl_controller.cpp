// An example of a robot's process, to be copied: setup, loop, safe end. A tiny plant stands where
// the motors and sensors of a robot would be; write to them what `client.step` returns.
//
// Events go to stderr, one a line with the monotonic time in ns; the last line of stdout is a
// summary as JSON. Exit code 2: this robot cannot run, or the server will not have it. 1: it failed
// while it ran, and has braked.
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>

#include "options.hpp"
#include "plant.hpp"
#include "robot_gcrl/pacing.hpp"
#include "robot_gcrl/robot_client.hpp"
#include "robot_gcrl/setup_error.hpp"

using namespace robot_gcrl;

namespace {

volatile std::sig_atomic_t g_ended = 0;

void note_signal(int) { g_ended = 1; }

// Before anything moves. However many signals come, none cuts the safe end: what is stuck is ended
// by SIGQUIT or SIGKILL.
void note_signals() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
  // Where hangups are ignored (nohup) they stay ignored
  if (std::signal(SIGHUP, note_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  // Who reads our events may end before us, as `| tee` does with the same Ctrl-C
  std::signal(SIGPIPE, SIG_IGN);
}

void log_event(std::int64_t now_ns, const std::string& text) {
  std::cerr << now_ns << " " << text << std::endl;
}

class Trace {
 public:
  explicit Trace(const std::string& path) : path_(path) {
    if (path.empty()) return;
    file_.open(path);
    if (!file_)
      throw SetupError("The trace " + path + " cannot be written. Expected a new file. Change "
                       "--trace.");
    file_.precision(9);
    file_ << "time_ns,state,ramp,clipped,ctrl...,position...\n";
  }

  void add(const Tick& tick, const Joints& joints) {
    if (!file_.is_open()) return;
    file_ << monotonic_ns() << "," << name_of(tick.state) << "," << tick.ramp << ","
          << tick.clipped();
    for (const double value : tick.ctrl) file_ << "," << value;
    for (const double value : joints.position) file_ << "," << value;
    file_ << "\n";
    note_failure();
  }

  // What the stream still holds is written
  void end() {
    if (!file_.is_open()) return;
    file_.flush();
    note_failure();
  }

 private:
  // A full disk ends the trace, and not the robot
  void note_failure() {
    if (file_) return;
    file_.close();
    log_event(monotonic_ns(), "the trace ended: " + path_ + " cannot be written, its last lines " +
                                  "are missing; free space or change --trace");
  }

  std::string path_;
  std::ofstream file_;
};

std::string quoted(const std::string& text) {
  std::string shown = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') shown += '\\';
    shown += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return shown + "\"";
}

void print_summary(const RobotClient& client, const Pacer& pacer) {
  const Guard& guard = client.guard();
  const Counters& counters = guard.counters();
  std::int64_t commands = 0;
  for (const auto count : counters.verdicts) commands += count;
  const auto& stop = guard.latched() ? guard.latched() : guard.link_stop();
  std::cout << "{\"reports\": " << client.reports()
            << ", \"commands\": " << counters.of(Verdict::kAccepted)
            << ", \"discarded\": " << commands - counters.of(Verdict::kAccepted)
            << ", \"holds\": " << counters.holds << ", \"link_stops\": " << counters.link_stops
            << ", \"latched_stops\": " << counters.latched_stops
            << ", \"sessions\": " << client.link().sessions
            << ", \"fenced\": " << client.link().fenced << ", \"bad\": " << client.link().bad
            << ", \"unsent\": " << client.link().unsent << ", \"beats\": " << pacer.beats()
            << ", \"missed\": " << pacer.missed() << ", \"latest_ns\": " << pacer.latest_ns()
            << ", \"state\": " << quoted(name_of(guard.state()))
            << ", \"reason\": " << quoted(stop ? stop->text() : "") << "}" << std::endl;
}

void print_refusal(const Reject& refusal) {
  std::cerr << "The server refuses this robot: " << refusal.text << "\n";
  for (const auto& [name, expected, got] : refusal.differences)
    std::cerr << "  " << name << ": expected " << expected << ", got " << got << "\n";
  std::cerr << "Serve the policy that was trained for this robot, or correct the contract."
            << std::endl;
}

int run(const Options& options) {
  note_signals();
  const Contract contract = load_contract(options.contract);
  const Profile profile = load_profile(options.profile);
  LinkOptions link{options.connect, options.robot, std::nullopt};
  if (!options.key.empty()) link.keys = load_keys(options.key, options.server_key);
  Plant plant(contract, fit(contract, profile));
  RobotClient client(contract, profile, link, plant.joints(), log_event);
  Trace trace(options.trace);

  const auto period = static_cast<std::int64_t>(contract.control_dt * 1e9 / options.speed);
  const std::int64_t end = monotonic_ns() + static_cast<std::int64_t>(options.seconds * 1e9);
  Pacer pacer(period);
  const auto write = [&](const Tick& tick) {
    trace.add(tick, plant.joints());
    plant.step(tick.ctrl, contract.control_dt);
  };
  std::exception_ptr failure;
  try {
    while (!g_ended && !client.refusal() && monotonic_ns() < end) {
      pacer.wait();
      write(client.step(plant.inputs(), plant.joints()));
    }
  } catch (...) {
    failure = std::current_exception();
  }

  // The motors are left safe: the stop goes on until what moved has braked
  const bool was_moving = client.guard().counters().of(Verdict::kAccepted) > 0;
  client.close(failure ? "the robot's program has failed" : "the robot's program ends");
  const std::int64_t at_rest = monotonic_ns() + (was_moving ? 500'000'000 : 0);
  while (monotonic_ns() < at_rest) {
    pacer.wait();
    write(client.rest(plant.joints()));
  }
  trace.end();
  print_summary(client, pacer);
  if (failure) std::rethrow_exception(failure);
  if (client.refusal()) print_refusal(*client.refusal());
  return client.refusal() ? 2 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(read_options(count, arguments));
  } catch (const SetupError& error) {
    std::cerr << error.what() << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "The robot's program has failed: " << error.what() << std::endl;
    return 1;
  }
}
