// A robot's session with a server, over one DEALER socket: hello, sequence numbers, what comes in.
// What a message means for motion is robot_client.hpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "robot_gcrl/contract.hpp"
#include "robot_gcrl/curve.hpp"
#include "robot_gcrl/messages.hpp"

namespace robot_gcrl {

struct LinkOptions {
  std::string endpoint;  // what `robot-gcrl serve --bind` was given: ipc://PATH or tcp://HOST:PORT
  std::string robot;     // id, unique on the server
  std::optional<CurveKeys> keys;
};

// What was not acted on, or not sent.
struct LinkCounters {
  std::int64_t sessions = 0;
  std::int64_t unsent = 0;  // could not be sent at once, and never will be
  std::int64_t bad = 0;     // frames that were no message
  std::int64_t fenced = 0;  // messages of another session, or of old numbers
};

class Link {
 public:
  // Connects in the background; nothing is waited for. Throws SetupError: an endpoint that is none.
  Link(const Contract& contract, const LinkOptions& options);

  // Asks for a session, if it was not asked a moment ago. `stop`: why the robot's latched stop
  // holds, or empty. `goal`: the last one it heard of.
  void hello(std::int64_t now_ns, const std::string& stop, const Bytes& goal);
  // Sends a message of the session now, or never.
  void send(const Body& body, std::int64_t now_ns, std::int64_t echo_ns = 0,
            std::uint32_t ref_seq = 0);
  // The next message that is of this session, grants one or ends one, at `until_ns` at the latest.
  std::optional<Message> next(std::int64_t until_ns);
  // The session is over on our side; the next hello may be said at once.
  void end();
  // Says bye and closes the socket.
  void close(std::int64_t now_ns, const std::string& reason);
  // What ZeroMQ says of a connection that did not come about, once for each failure. Dials again, a
  // second later, where ZeroMQ has given up: the robot gets in as soon as its key does.
  std::string failure();

  bool has_session() const { return session_ != 0; }
  const LinkCounters& counters() const { return counters_; }

 private:
  bool is_for_us(const Message& message);
  bool grants(const Message& message);
  bool receive(zmq::message_t& frame);
  void wait(std::int64_t until_ns);
  void redial();
  bool transmit(std::int64_t session, const Body& body, std::int64_t now_ns, std::int64_t echo_ns,
                std::uint32_t ref_seq);

  const Contract& contract_;
  std::string robot_, control_;
  zmq::context_t context_;
  zmq::socket_t socket_, monitor_;
  std::int64_t session_ = 0;
  std::uint32_t sent_ = 0, received_ = 0;
  // Numbers of the first and the newest hello since we have been asking; any of them may be granted
  std::optional<std::uint32_t> first_hello_, newest_hello_;
  std::uint32_t session_began_at_ = 0;  // our last number before this session
  std::int64_t retry_at_ = 0;
  std::optional<std::int64_t> redial_at_;
  LinkCounters counters_;
};

}  // namespace robot_gcrl
