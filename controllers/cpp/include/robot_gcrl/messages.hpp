// What robots, servers and operators say to each other, as data. How it becomes a frame: wire.hpp.
// What each field means: ../../../README.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace robot_gcrl {

inline constexpr std::uint64_t kProtocol = 1;
inline constexpr std::size_t kMaxFrame = 64 * 1024;  // [bytes]
inline constexpr std::size_t kMaxText = 1024;        // [characters], except a contract's JSON
inline constexpr std::size_t kMaxRows = 64;          // of a chunk; differences in a reject
inline constexpr std::size_t kHeaderSize = 7;        // elements before a body

// Of a status, a reject or a goal's answer. On the wire any 32-bit number may come: a later
// release may have codes that this one does not know.
enum class Code : std::uint32_t {
  kOk = 0,
  kBadFrame = 1,
  kBadVersion = 2,
  kBadContract = 3,
  kBadRole = 4,
  kInUse = 5,
  kUnknownSession = 6,
  kUnknownRobot = 7,
  kBadReport = 8,
  kStaleReport = 9,
  kNoGoal = 10,
  kGoalOutOfRange = 11,
  kBadGoal = 12,
  kOverload = 13,
  kHold = 14,
  kStopped = 15,
  kRobotLost = 16,
  kCleared = 17,
  kDryRun = 18,
  kNoPolicy = 19,
};

// Bits of a report.
inline constexpr std::uint32_t kFlagReset = 1;
inline constexpr std::uint32_t kFlagHold = 2;
inline constexpr std::uint32_t kFlagLinkStop = 4;
inline constexpr std::uint32_t kFlagLatchedStop = 8;
inline constexpr std::uint32_t kFlagRamp = 16;

// Little-endian float32; read them with `floats`, write them with `pack_floats`.
using Bytes = std::vector<std::uint8_t>;

struct Header {
  std::int64_t session = 0;
  std::uint32_t seq = 0;
  std::int64_t stamp_ns = 0;
  std::int64_t echo_ns = 0;
  std::uint32_t ref_seq = 0;
};

// Each body lists its fields once, in the order of the wire, with their kind: text, long_text,
// number (a double), count (32 bits), time (63 bits), flag, bytes, rows. Reader, writer and printer
// are visitors of these lists.

struct Hello {
  static constexpr const char* kName = "Hello";
  std::string role, robot, sha256, contract;
  double control_dt = 0.0;
  std::uint32_t pose_size = 0;
  Bytes goal;
  std::string stop;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("role", s.role);
    v.text("robot", s.robot);
    v.text("sha256", s.sha256);
    v.long_text("contract", s.contract);
    v.number("control_dt", s.control_dt);
    v.count("pose_size", s.pose_size);
    v.bytes("goal", s.goal);
    v.text("stop", s.stop);
  }
};

struct Welcome {
  static constexpr const char* kName = "Welcome";
  std::string policy, contract;
  double control_dt = 0.0;
  std::int64_t command_age_ns = 0, lost_after_ns = 0;
  double scale = 1.0;
  bool dry_run = false;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("policy", s.policy);
    v.long_text("contract", s.contract);
    v.number("control_dt", s.control_dt);
    v.time("command_age_ns", s.command_age_ns);
    v.time("lost_after_ns", s.lost_after_ns);
    v.number("scale", s.scale);
    v.flag("dry_run", s.dry_run);
  }
};

struct Reject {
  static constexpr const char* kName = "Reject";
  std::uint32_t code = 0;
  std::string text;
  std::vector<std::array<std::string, 3>> differences;  // name, expected, got

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.count("code", s.code);
    v.text("text", s.text);
    v.rows("differences", s.differences);
  }
};

struct Report {
  static constexpr const char* kName = "Report";
  std::uint32_t flags = 0;
  std::int64_t age_ns = 0;
  std::uint32_t clipped = 0;
  Bytes inputs, ctrl, pose;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.count("flags", s.flags);
    v.time("age_ns", s.age_ns);
    v.count("clipped", s.clipped);
    v.bytes("inputs", s.inputs);
    v.bytes("ctrl", s.ctrl);
    v.bytes("pose", s.pose);
  }
};

struct Command {
  static constexpr const char* kName = "Command";
  Bytes chunk;
  std::int64_t valid_until_ns = 0;
  Bytes goal;
  double distance = 0.0;
  std::uint32_t clipped = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.bytes("chunk", s.chunk);
    v.time("valid_until_ns", s.valid_until_ns);
    v.bytes("goal", s.goal);
    v.number("distance", s.distance);
    v.count("clipped", s.clipped);
  }
};

struct Goal {
  static constexpr const char* kName = "Goal";
  std::string robot;
  Bytes goal;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("robot", s.robot);
    v.bytes("goal", s.goal);
  }
};

struct GoalAck {
  static constexpr const char* kName = "GoalAck";
  std::string robot;
  std::uint32_t code = 0;
  Bytes goal, low, high;
  std::string text;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("robot", s.robot);
    v.count("code", s.code);
    v.bytes("goal", s.goal);
    v.bytes("low", s.low);
    v.bytes("high", s.high);
    v.text("text", s.text);
  }
};

struct Stop {
  static constexpr const char* kName = "Stop";
  std::string robot, reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("robot", s.robot);
    v.text("reason", s.reason);
  }
};

struct Clear {
  static constexpr const char* kName = "Clear";
  std::string robot;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("robot", s.robot);
  }
};

struct Status {
  static constexpr const char* kName = "Status";
  std::string robot;
  std::uint32_t code = 0;
  std::string text;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("robot", s.robot);
    v.count("code", s.code);
    v.text("text", s.text);
  }
};

struct Heartbeat {
  static constexpr const char* kName = "Heartbeat";

  template <class Visitor, class Self>
  static void fields(Visitor&, Self&) {}
};

struct Bye {
  static constexpr const char* kName = "Bye";
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& s) {
    v.text("reason", s.reason);
  }
};

// The number of a type on the wire is its place in this list, from 1.
using Body = std::variant<Hello, Welcome, Reject, Report, Command, Goal, GoalAck, Stop, Clear,
                          Status, Heartbeat, Bye>;

struct Message {
  Header header;
  Body body;
};

// A visitor that counts.
struct FieldCounter {
  std::uint32_t n = 0;
  template <class T> void text(const char*, T&) { ++n; }
  template <class T> void long_text(const char*, T&) { ++n; }
  template <class T> void number(const char*, T&) { ++n; }
  template <class T> void count(const char*, T&) { ++n; }
  template <class T> void time(const char*, T&) { ++n; }
  template <class T> void flag(const char*, T&) { ++n; }
  template <class T> void bytes(const char*, T&) { ++n; }
  template <class T> void rows(const char*, T&) { ++n; }
};

template <class T>
std::uint32_t field_count() {
  FieldCounter counter;
  T body;
  T::fields(counter, body);
  return counter.n;
}

}  // namespace robot_gcrl
