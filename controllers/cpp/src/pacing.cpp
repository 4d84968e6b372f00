#include "robot_gcrl/pacing.hpp"

#include <time.h>

#include <algorithm>

namespace robot_gcrl {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

Pacer::Pacer(std::int64_t period_ns)
    : period_ns_(period_ns), deadline_ns_(monotonic_ns() + period_ns) {}

void Pacer::wait() {
  timespec deadline{};
  deadline.tv_sec = static_cast<time_t>(deadline_ns_ / kSecond);
  deadline.tv_nsec = static_cast<long>(deadline_ns_ % kSecond);
  // It returns early for a signal alone; a deadline that has passed is no error
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) != 0) continue;
  const std::int64_t late = monotonic_ns() - deadline_ns_;
  const std::int64_t passed = late / period_ns_;
  deadline_ns_ += (passed + 1) * period_ns_;
  ++beats_;
  missed_ += passed;
  latest_ns_ = std::max(latest_ns_, late);
}

}  // namespace robot_gcrl
