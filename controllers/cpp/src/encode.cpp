#include <cstring>
#include <msgpack/pack.hpp>
#include <utility>

#include "robot_gcrl/wire.hpp"

namespace robot_gcrl {
namespace {

// Appends to a frame.
class Sink {
 public:
  void write(const char* data, std::size_t size) {
    frame.insert(frame.end(), data, data + size);
  }
  Bytes frame;
};

class Writer {
 public:
  explicit Writer(Sink& sink) : sink_(sink), packer_(sink) {}

  void array(std::size_t size) { packer_.pack_array(static_cast<std::uint32_t>(size)); }
  void integer(std::uint64_t value) { packer_.pack_uint64(value); }

  void text(const char*, const std::string& value) {
    packer_.pack_str(static_cast<std::uint32_t>(value.size()));
    packer_.pack_str_body(value.data(), static_cast<std::uint32_t>(value.size()));
  }
  void long_text(const char* name, const std::string& value) { text(name, value); }
  void number(const char*, double value) {
    // Not pack_double: that shortens 1.0 to an integer, which is another type and refused
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    char raw[9] = {static_cast<char>(0xcb)};
    for (int i = 0; i < 8; ++i) raw[1 + i] = static_cast<char>((bits >> (56 - 8 * i)) & 0xff);
    sink_.write(raw, sizeof raw);
  }
  void count(const char*, std::uint32_t value) { integer(value); }
  void time(const char*, std::int64_t value) { integer(static_cast<std::uint64_t>(value)); }
  void flag(const char*, bool value) { value ? packer_.pack_true() : packer_.pack_false(); }
  void bytes(const char*, const Bytes& value) {
    packer_.pack_bin(static_cast<std::uint32_t>(value.size()));
    packer_.pack_bin_body(reinterpret_cast<const char*>(value.data()),
                          static_cast<std::uint32_t>(value.size()));
  }
  void rows(const char* name, const std::vector<std::array<std::string, 3>>& value) {
    array(value.size());
    for (const auto& row : value) {
      array(row.size());
      for (const auto& cell : row) text(name, cell);
    }
  }

 private:
  Sink& sink_;
  msgpack::packer<Sink> packer_;
};

}  // namespace

Bytes encode(const Header& header, const Body& body) {
  Sink sink;
  Writer writer(sink);
  std::visit(
      [&](const auto& fields) {
        using T = std::decay_t<decltype(fields)>;
        writer.array(kHeaderSize + field_count<T>());
        writer.integer(kProtocol);
        writer.integer(body.index() + 1);
        writer.time("session", header.session);
        writer.count("seq", header.seq);
        writer.time("stamp_ns", header.stamp_ns);
        writer.time("echo_ns", header.echo_ns);
        writer.count("ref_seq", header.ref_seq);
        T::fields(writer, fields);
      },
      body);
  return std::move(sink.frame);
}

}  // namespace robot_gcrl
