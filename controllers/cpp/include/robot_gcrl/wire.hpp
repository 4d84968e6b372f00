// Messages and their frames: one msgpack array in one ZeroMQ frame,
//   [protocol, type, session, seq, stamp_ns, echo_ns, ref_seq, body...]
// `decode` checks all that can be known without the handshake, `floats` the rest. Whatever does not
// fit throws WireError and is never acted on: a peer may send anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "robot_gcrl/messages.hpp"

namespace robot_gcrl {

class WireError : public std::runtime_error {
 public:
  WireError(Code code, const std::string& text, Header header = {})
      : std::runtime_error(text), code_(code), header_(header) {}

  Code code() const { return code_; }
  // As far as it could be read, for the answer's ref_seq.
  const Header& header() const { return header_; }

 private:
  Code code_;
  Header header_;
};

Bytes encode(const Header& header, const Body& body);

// Throws WireError: the frame is not a message of this protocol version, in any way.
Message decode(const std::uint8_t* frame, std::size_t size);

Bytes pack_floats(const std::vector<float>& values);

// As many numbers as a field holds whole, whatever they are: for the guard, which a number that is
// not finite stops.
std::vector<float> unpack_floats(const Bytes& field);

// `count` finite numbers. Throws WireError with `code`: another length, or one that is not finite.
std::vector<float> floats(const Bytes& field, std::size_t count, Code code, const char* name);

// What a text field may hold of a text: cut before a character, where it is too long.
std::string shortened(const std::string& text);

// Whether a sequence number comes after another, across the wrap (RFC 1982, 32 bits).
constexpr bool is_newer(std::uint32_t seq, std::uint32_t than) {
  const std::uint32_t ahead = seq - than;
  return ahead != 0 && ahead < 0x80000000u;
}

}  // namespace robot_gcrl
