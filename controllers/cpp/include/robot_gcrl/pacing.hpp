// A loop of constant period on the monotonic clock.
//
// Deadlines are absolute, start + n periods, so that neither the time that the loop's body takes
// nor a late wake-up adds up. A deadline that has passed is counted and left out: after a pause the
// loop goes on with the next one and never runs twice to catch up.
#pragma once

#include <cstdint>

namespace robot_gcrl {

// CLOCK_MONOTONIC [ns]: stamps, timers and pacing. The wall clock never matters.
std::int64_t monotonic_ns();

class Pacer {
 public:
  // The first beat is due one period from now.
  explicit Pacer(std::int64_t period_ns);

  // Returns at the deadline, or at once when it has passed, and sets the next one.
  void wait();

  std::int64_t beats() const { return beats_; }
  std::int64_t missed() const { return missed_; }        // deadlines without a beat
  std::int64_t latest_ns() const { return latest_ns_; }  // the greatest lateness of a beat

 private:
  std::int64_t period_ns_, deadline_ns_;
  std::int64_t beats_ = 0, missed_ = 0, latest_ns_ = 0;
};

}  // namespace robot_gcrl
