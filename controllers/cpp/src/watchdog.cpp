#include "robot_gcrl/watchdog.hpp"

#include <algorithm>
#include <cmath>

namespace robot_gcrl {
namespace {

std::string milliseconds(std::int64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; }

}  // namespace

const char* name_of(State state) {
  static const char* const kNames[] = {"waiting", "run", "hold", "stop", "latched"};
  return kNames[static_cast<int>(state)];
}

const char* name_of(Verdict verdict) {
  static const char* const kNames[] = {"accepted", "old",           "repeated",       "unasked",
                                       "refused",  "while_stopped", "without_session"};
  return kNames[static_cast<int>(verdict)];
}

Watchdog::Watchdog(const Limits& limits, std::int64_t now_ns)
    : size_(limits.axes.size()),
      period_ns_(limits.period_ns),
      command_age_ns_(limits.command_age_ns),
      hold_ns_(limits.hold_ns),
      stop_ns_(limits.stop_ns),
      now_(now_ns),
      since_(now_ns) {}

void Watchdog::advance(std::int64_t now_ns) {
  const std::int64_t step = now_ns - now_;
  now_ = now_ns;
  if (step < 0) latch("robot", "the clock went back by " + std::to_string(-step) + " ns");
  elapsed_ns_ += std::max<std::int64_t>(step, 0);
  if (has_session_ && !latched_ && !lost_ && silence() >= stop_ns_)
    lose("no fresh command for " + milliseconds(silence()));
}

void Watchdog::begin_session() {
  has_session_ = true;
  lost_.reset();
  since_ = now_;
  answered_.reset();
  fresh_at_ = elapsed_ns_;
  has_command_ = false;
}

void Watchdog::lose(const std::string& reason) {
  if (!has_session_) return;
  has_command_ = false;
  if (lost_) {
    ++lost_->times;
    return;
  }
  lost_ = StopReason{"link", reason};
  ++counters_.link_stops;
}

void Watchdog::latch(const std::string& cause, const std::string& reason) {
  has_command_ = false;
  if (latched_) {
    ++latched_->times;
    return;
  }
  latched_ = StopReason{cause, reason};
  ++counters_.latched_stops;
}

bool Watchdog::clear() {
  if (!latched_) return false;
  latched_.reset();
  // That a robot which stood was not commanded says nothing about the link
  fresh_at_ = elapsed_ns_;
  return true;
}

Verdict Watchdog::accept(const std::vector<float>& values, std::int64_t report_ns,
                         std::int64_t valid_until_ns) {
  const Verdict verdict = judge(report_ns, valid_until_ns);
  if (verdict != Verdict::kAccepted) return count(verdict);
  const std::string wrong = problem(values);
  if (!wrong.empty()) {
    latch("command", wrong);
    return count(Verdict::kRefused);
  }
  answered_ = report_ns;
  fresh_at_ = elapsed_ns_;
  has_command_ = true;
  chunk_.assign(values.begin(), values.end());
  report_ns_ = report_ns;
  valid_until_ns_ = valid_until_ns;
  return count(verdict);
}

Verdict Watchdog::accept_idleness(std::int64_t report_ns) {
  const Verdict verdict = count(judge(report_ns, now_));
  if (verdict == Verdict::kAccepted) {
    answered_ = report_ns;
    fresh_at_ = elapsed_ns_;
    has_command_ = false;
  }
  return verdict;
}

State Watchdog::state_and_row(const double*& row) const {
  row = nullptr;
  if (latched_) return State::kLatched;
  if (lost_) return State::kStop;
  if (!has_session_) return State::kWaiting;
  if (!has_command_) return State::kHold;
  const std::int64_t rows = static_cast<std::int64_t>(chunk_.size() / size_);
  const std::int64_t wanted = (now_ - report_ns_) / period_ns_;
  const std::int64_t last = std::min((valid_until_ns_ - report_ns_) / period_ns_, rows - 1);
  const auto start = [&](std::int64_t i) { return &chunk_[static_cast<std::size_t>(i) * size_]; };
  if (silence() < hold_ns_) {
    row = start(std::min(wanted, last));
    return State::kRun;
  }
  // A chunk of several rows outlasts the hold: it goes on as long as it has rows
  if (wanted <= last) row = start(wanted);
  return State::kHold;
}

Verdict Watchdog::judge(std::int64_t report_ns, std::int64_t valid_until_ns) const {
  if (!has_session_) return Verdict::kWithoutSession;
  if (latched_ || lost_) return Verdict::kWhileStopped;
  if (report_ns > now_) return Verdict::kUnasked;
  const bool is_old = now_ - report_ns > command_age_ns_;
  if (is_old || report_ns < since_ || now_ > valid_until_ns) return Verdict::kOld;
  if (answered_ && report_ns <= *answered_) return Verdict::kRepeated;
  return Verdict::kAccepted;
}

std::string Watchdog::problem(const std::vector<float>& values) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return "a command holds a number that is not finite (number " + std::to_string(i) + ")";
  if (values.empty() || values.size() % size_ != 0)
    return "a command of " + std::to_string(values.size()) + " numbers, not rows of " +
           std::to_string(size_);
  return "";
}

Verdict Watchdog::count(Verdict verdict) {
  ++counters_.verdicts[static_cast<int>(verdict)];
  return verdict;
}

}  // namespace robot_gcrl
