#include <cmath>
#include <msgpack/unpack.hpp>
#include <optional>
#include <utility>

#include "robot_gcrl/wire.hpp"

namespace robot_gcrl {
namespace {

constexpr std::int64_t kInt64Max = 0x7fffffffffffffff;

// What msgpack may hold; the same limits as the server's. Without them a frame of 9 bytes can claim
// an array of four billion elements.
const msgpack::unpack_limit& limits() {
  static const msgpack::unpack_limit value(3 * kMaxRows, 0, kMaxFrame, kMaxFrame, 1, 1024);
  return value;
}

// The characters of a UTF-8 text, or nothing if it is none: overlong forms, surrogates and numbers
// beyond U+10FFFF are refused, as by Python.
std::optional<std::size_t> characters(const char* data, std::size_t size) {
  const auto* byte = reinterpret_cast<const unsigned char*>(data);
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++count) {
    const unsigned lead = byte[i++];
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || size - i < static_cast<std::size_t>(more)) return {};
    unsigned value = lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k, ++i) {
      if ((byte[i] & 0xc0u) != 0x80u) return {};
      value = (value << 6) | (byte[i] & 0x3fu);
    }
    if (more == 2 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) return {};
    if (more == 3 && (value < 0x10000 || value > 0x10ffff)) return {};
  }
  return count;
}

// Whether every text in an object is UTF-8 and every extension has a number that may be. The depth
// is limited by `limits`.
bool is_well_formed(const msgpack::object& object) {
  if (object.type == msgpack::type::STR)
    return characters(object.via.str.ptr, object.via.str.size).has_value();
  if (object.type == msgpack::type::EXT) return object.via.ext.type() >= 0;
  if (object.type != msgpack::type::ARRAY) return true;
  for (std::uint32_t i = 0; i < object.via.array.size; ++i)
    if (!is_well_formed(object.via.array.ptr[i])) return false;
  return true;
}

bool is_integer(const msgpack::object& object, std::uint64_t greatest) {
  return object.type == msgpack::type::POSITIVE_INTEGER && object.via.u64 <= greatest;
}

// Reads fields, and refuses what is of another type: no conversion, a bool is no integer.
class Reader {
 public:
  Reader(const char* body, const msgpack::object* next, const Header& header)
      : body_(body), next_(next), header_(header) {}

  void text(const char* name, std::string& value) { value = text_of(name, take(), kMaxText); }
  void long_text(const char* name, std::string& value) { value = text_of(name, take(), kMaxFrame); }
  void number(const char* name, double& value) {
    const auto& object = take();
    if ((object.type != msgpack::type::FLOAT32 && object.type != msgpack::type::FLOAT64) ||
        !std::isfinite(object.via.f64))
      refuse(name);
    value = object.via.f64;
  }
  void count(const char* name, std::uint32_t& value) {
    const auto& object = take();
    if (!is_integer(object, 0xffffffff)) refuse(name);
    value = static_cast<std::uint32_t>(object.via.u64);
  }
  void time(const char* name, std::int64_t& value) {
    const auto& object = take();
    if (!is_integer(object, kInt64Max)) refuse(name);
    value = static_cast<std::int64_t>(object.via.u64);
  }
  void flag(const char* name, bool& value) {
    const auto& object = take();
    if (object.type != msgpack::type::BOOLEAN) refuse(name);
    value = object.via.boolean;
  }
  void bytes(const char* name, Bytes& value) {
    const auto& object = take();
    if (object.type != msgpack::type::BIN) refuse(name);
    const auto* data = reinterpret_cast<const std::uint8_t*>(object.via.bin.ptr);
    value.assign(data, data + object.via.bin.size);
  }
  void rows(const char* name, std::vector<std::array<std::string, 3>>& value) {
    const auto& object = take();
    if (object.type != msgpack::type::ARRAY || object.via.array.size > kMaxRows) refuse(name);
    for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
      const auto& row = object.via.array.ptr[i];
      if (row.type != msgpack::type::ARRAY || row.via.array.size != 3) refuse(name);
      auto& cells = value.emplace_back();
      for (std::uint32_t j = 0; j < 3; ++j)
        cells[j] = text_of(name, row.via.array.ptr[j], kMaxText);
    }
  }

 private:
  const msgpack::object& take() { return *next_++; }

  std::string text_of(const char* name, const msgpack::object& object, std::size_t longest) const {
    if (object.type != msgpack::type::STR) refuse(name);
    const std::size_t size = object.via.str.size;
    if (characters(object.via.str.ptr, size).value_or(longest + 1) > longest) refuse(name);
    return std::string(object.via.str.ptr, size);
  }

  [[noreturn]] void refuse(const char* name) const {
    throw WireError(Code::kBadFrame, std::string(body_) + "." + name + " is unacceptable", header_);
  }

  const char* body_;
  const msgpack::object* next_;
  const Header& header_;
};

Header read_header(const msgpack::object* values) {
  const bool fits = is_integer(values[0], kInt64Max) && is_integer(values[1], 0xffffffff) &&
                    is_integer(values[2], kInt64Max) && is_integer(values[3], kInt64Max) &&
                    is_integer(values[4], 0xffffffff);
  if (!fits) throw WireError(Code::kBadFrame, "the header is unacceptable");
  return {static_cast<std::int64_t>(values[0].via.u64),
          static_cast<std::uint32_t>(values[1].via.u64),
          static_cast<std::int64_t>(values[2].via.u64),
          static_cast<std::int64_t>(values[3].via.u64),
          static_cast<std::uint32_t>(values[4].via.u64)};
}

template <class T>
Body read_body(const msgpack::object* fields, std::uint32_t count, const Header& header) {
  if (count != field_count<T>())
    throw WireError(Code::kBadFrame,
                    std::to_string(count) + " fields in " + T::kName + ", not " +
                        std::to_string(field_count<T>()),
                    header);
  T body;
  Reader reader(T::kName, fields, header);
  T::fields(reader, body);
  return body;
}

using ReadBody = Body (*)(const msgpack::object*, std::uint32_t, const Header&);

template <std::size_t... I>
std::array<ReadBody, sizeof...(I)> make_readers(std::index_sequence<I...>) {
  return {&read_body<std::variant_alternative_t<I, Body>>...};
}

Message read_message(const msgpack::object& content) {
  const auto& array = content.via.array;
  if (content.type != msgpack::type::ARRAY || array.size < kHeaderSize)
    throw WireError(Code::kBadFrame, "no array of at least 7 elements");
  if (!is_integer(array.ptr[0], kProtocol) || array.ptr[0].via.u64 != kProtocol)
    throw WireError(Code::kBadVersion, "not protocol " + std::to_string(kProtocol));
  const Header header = read_header(array.ptr + 2);
  static const auto readers = make_readers(std::make_index_sequence<std::variant_size_v<Body>>());
  const auto& type = array.ptr[1];
  if (!is_integer(type, readers.size()) || type.via.u64 == 0)
    throw WireError(Code::kBadFrame, "unknown type", header);
  const auto read = readers[type.via.u64 - 1];
  const auto count = array.size - static_cast<std::uint32_t>(kHeaderSize);
  return {header, read(array.ptr + kHeaderSize, count, header)};
}

bool keep_in_frame(msgpack::type::object_type, std::size_t, void*) { return true; }

}  // namespace

Message decode(const std::uint8_t* frame, std::size_t size) {
  if (size > kMaxFrame)
    throw WireError(Code::kBadFrame,
                    std::to_string(size) + " bytes; at most " + std::to_string(kMaxFrame));
  try {
    std::size_t end = 0;
    bool in_frame = false;
    const msgpack::object_handle handle =
        msgpack::unpack(reinterpret_cast<const char*>(frame), size, end, in_frame, keep_in_frame,
                        nullptr, limits());
    if (end != size || !is_well_formed(handle.get()))
      throw WireError(Code::kBadFrame, "no msgpack: more than one value, or no UTF-8");
    return read_message(handle.get());
  } catch (const msgpack::unpack_error& error) {
    throw WireError(Code::kBadFrame, std::string("no msgpack: ") + error.what());
  }
}

}  // namespace robot_gcrl
