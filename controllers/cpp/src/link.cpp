#include "robot_gcrl/link.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "robot_gcrl/pacing.hpp"
#include "robot_gcrl/setup_error.hpp"
#include "robot_gcrl/sha256.hpp"
#include "robot_gcrl/wire.hpp"

namespace robot_gcrl {
namespace {

constexpr std::int64_t kRetry = 50'000'000;      // between two hellos [ns]
constexpr std::int64_t kRedial = 1'000'000'000;  // between two attempts where libzmq gives up [ns]
constexpr int kGoodbye = 100;                    // for the bye [ms]
constexpr const char* kMonitor = "inproc://robot_gcrl.link.monitor";
constexpr int kFailures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

std::string control_of(const std::string& endpoint) {
  if (endpoint.rfind("ipc://", 0) == 0) return endpoint + ".control";
  if (endpoint.rfind("tcp://", 0) == 0) return endpoint;
  throw SetupError("The endpoint '" + endpoint +
                   "' cannot be used. Expected ipc:///PATH or tcp://HOST:PORT. Change --connect.");
}

// Every option keeps an outage from becoming motion, or a peer from taking our memory.
void configure(zmq::socket_t& socket, const std::optional<CurveKeys>& keys) {
  // What cannot be sent now is never sent: a DEALER would queue it, and deliver it all afterwards
  socket.set(zmq::sockopt::immediate, 1);
  socket.set(zmq::sockopt::sndhwm, 2);
  socket.set(zmq::sockopt::rcvhwm, 8);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(kMaxFrame));
  socket.set(zmq::sockopt::handshake_ivl, 3000);
  // A half-open connection is closed after 3 s
  socket.set(zmq::sockopt::heartbeat_ivl, 1000);
  socket.set(zmq::sockopt::heartbeat_timeout, 3000);
  socket.set(zmq::sockopt::reconnect_ivl, 20);
  socket.set(zmq::sockopt::reconnect_ivl_max, 250);
  socket.set(zmq::sockopt::ipv6, 1);
  if (!keys) return;
  socket.set(zmq::sockopt::curve_serverkey, keys->server);
  socket.set(zmq::sockopt::curve_publickey, keys->own_public);
  socket.set(zmq::sockopt::curve_secretkey, keys->own_secret);
}

}  // namespace

Link::Link(const Contract& contract, const LinkOptions& options)
    : contract_(contract),
      robot_(options.robot),
      control_(control_of(options.endpoint)),
      socket_(context_, zmq::socket_type::dealer),
      monitor_(context_, zmq::socket_type::pair) {
  configure(socket_, options.keys);
  monitor_.set(zmq::sockopt::linger, 0);
  zmq_socket_monitor(socket_.handle(), kMonitor, kFailures);
  monitor_.connect(kMonitor);
  try {
    socket_.connect(control_);
  } catch (const zmq::error_t& error) {
    throw SetupError("The endpoint '" + options.endpoint + "' cannot be used: " + error.what() +
                     ". Expected ipc:///PATH or tcp://HOST:PORT. Change --connect.");
  }
}

void Link::hello(std::int64_t now_ns, const std::string& stop, const Bytes& goal) {
  if (monotonic_ns() < retry_at_) return;
  Hello hello;
  hello.role = "robot";
  hello.robot = robot_;
  hello.sha256 = contract_.sha256;
  hello.contract = contract_.json;
  hello.control_dt = contract_.control_dt;
  hello.goal = goal;
  hello.stop = shortened(stop);
  if (!transmit(0, hello, now_ns, 0, 0)) return;
  retry_at_ = monotonic_ns() + kRetry;
  newest_hello_ = sent_;
  if (!first_hello_) first_hello_ = sent_;
}

void Link::send(const Body& body, std::int64_t now_ns, std::int64_t echo_ns,
                std::uint32_t ref_seq) {
  if (has_session()) transmit(session_, body, now_ns, echo_ns, ref_seq);
}

std::optional<Message> Link::next(std::int64_t until_ns) {
  for (;;) {
    zmq::message_t frame;
    if (!receive(frame)) {
      if (monotonic_ns() >= until_ns) return {};
      wait(until_ns);
      continue;
    }
    try {
      if (frame.more()) throw WireError(Code::kBadFrame, "several frames");
      Message message = decode(frame.data<std::uint8_t>(), frame.size());
      if (is_for_us(message)) return message;
      ++counters_.fenced;
    } catch (const WireError&) {
      ++counters_.bad;
    }
  }
}

void Link::end() {
  session_ = 0;
  retry_at_ = 0;
}

void Link::close(std::int64_t now_ns, const std::string& reason) {
  send(Bye{reason}, now_ns);
  socket_.set(zmq::sockopt::linger, has_session() ? kGoodbye : 0);
  session_ = 0;
  monitor_.close();
  socket_.close();
}

std::string Link::failure() {
  std::string text;
  for (zmq::message_t event; monitor_.recv(event, zmq::recv_flags::dontwait);) {
    const auto number = *event.data<std::uint16_t>();
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
      text = "the server refuses this robot's key";
    else
      text = "the handshake failed: is the server's key the right one, and has it any?";
    if (number != ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) redial_at_ = monotonic_ns() + kRedial;
    zmq::message_t address;
    (void)monitor_.recv(address, zmq::recv_flags::dontwait);
  }
  redial();
  return text;
}

// After a refused key libzmq dials no more, and after another mechanism at times; even `connect` does
// nothing then until `disconnect`. See robot_gcrl/bridge/handshakes.py.
void Link::redial() {
  if (!redial_at_ || monotonic_ns() < *redial_at_) return;
  redial_at_.reset();
  socket_.disconnect(control_);
  socket_.connect(control_);
}

// Whether a message is to be acted on: it is the next of our session, or is about having one.
bool Link::is_for_us(const Message& message) {
  const Header& header = message.header;
  if (std::holds_alternative<Welcome>(message.body)) return grants(message);
  if (std::holds_alternative<Reject>(message.body))
    return !has_session() && newest_hello_ == header.ref_seq;
  if (const auto* status = std::get_if<Status>(&message.body); status && header.session == 0) {
    // A restarted server knows nothing of our session. What it says of an earlier one is no news
    return has_session() && status->code == static_cast<std::uint32_t>(Code::kUnknownSession) &&
           is_newer(header.ref_seq, session_began_at_);
  }
  if (!has_session() || header.session != session_ || !is_newer(header.seq, received_))
    return false;
  received_ = header.seq;
  return true;
}

// A welcome counts if it answers one of our hellos. While the server is slow several are under way;
// it grants each of them, and the newest session is the one that lives.
bool Link::grants(const Message& message) {
  const Header& header = message.header;
  const auto& welcome = std::get<Welcome>(message.body);
  const bool is_answer = first_hello_ && header.session != 0 &&
                         !is_newer(*first_hello_, header.ref_seq) &&
                         !is_newer(header.ref_seq, *newest_hello_);
  // The server has compared the contracts; a scale that is none would be a limit that is none
  const bool is_sound = welcome.scale > 0.0 && welcome.scale <= 1.0 &&
                        sha256_hex(welcome.contract) == contract_.sha256;
  if (!is_answer || !is_sound) return false;
  session_ = header.session;
  received_ = header.seq;
  session_began_at_ = sent_;
  if (header.ref_seq == *newest_hello_)
    first_hello_.reset();
  else
    first_hello_ = header.ref_seq + 1;
  ++counters_.sessions;
  return true;
}

bool Link::receive(zmq::message_t& frame) {
  try {
    return socket_.recv(frame, zmq::recv_flags::dontwait).has_value();
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
    return false;
  }
}

// Sleeps until a frame may be there. Not zmq::poll: it counts in whole milliseconds.
void Link::wait(std::int64_t until_ns) {
  // The descriptor tells of changes only, so `next` receives until nothing is left before this
  pollfd descriptor{socket_.get(zmq::sockopt::fd), POLLIN, 0};
  const std::int64_t left = std::max<std::int64_t>(until_ns - monotonic_ns(), 0);
  const timespec timeout{static_cast<time_t>(left / 1'000'000'000),
                         static_cast<long>(left % 1'000'000'000)};
  ppoll(&descriptor, 1, &timeout, nullptr);
}

bool Link::transmit(std::int64_t session, const Body& body, std::int64_t now_ns,
                    std::int64_t echo_ns, std::uint32_t ref_seq) {
  const Bytes frame = encode({session, ++sent_, now_ns, echo_ns, ref_seq}, body);
  try {
    if (socket_.send(zmq::buffer(frame), zmq::send_flags::dontwait)) return true;
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
  ++counters_.unsent;
  return false;
}

}  // namespace robot_gcrl
