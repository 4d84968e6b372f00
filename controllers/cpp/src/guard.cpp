#include "robot_gcrl/guard.hpp"

#include <algorithm>
#include <cmath>

#include "robot_gcrl/measurement.hpp"
#include "robot_gcrl/setup_error.hpp"

namespace robot_gcrl {

std::uint32_t Tick::clipped() const {
  return static_cast<std::uint32_t>(
      std::count_if(clips.begin(), clips.end(), [](const Clip& clip) { return clip.any(); }));
}

Guard::Guard(const Limits& limits, std::int64_t now_ns, const Joints& joints, std::int64_t tick_ns)
    : limits_(limits),
      tick_ns_(tick_ns == 0 ? limits.period_ns : tick_ns),
      needs_velocity_(!joints.velocity.empty()),
      watchdog_(limits, now_ns) {
  if (!needs_velocity_) require_no_velocity(limits);
  const Fault fault = read_joints(limits_, joints, needs_velocity_, known_);
  if (!fault.cause.empty())
    throw SetupError("The robot cannot start: " + fault.reason +
                     ". Expected finite positions within the joints' limits. Mend the sensor or "
                     "bring the joint back, then start again.");
  motion_.emplace(limits_, known_.position);
  tick_.ctrl.resize(limits_.axes.size());
  tick_.clips.resize(limits_.axes.size());
  before_.resize(limits_.axes.size());
  motion_->copy_ctrl(tick_.ctrl);
}

void Guard::begin_session(std::int64_t now_ns, double scale) {
  watchdog_.advance(now_ns);
  watchdog_.begin_session();
  motion_->scale(scale);
  motion_->fade_in();
}

void Guard::lose_link(std::int64_t now_ns, const std::string& reason) {
  watchdog_.advance(now_ns);
  watchdog_.lose(reason);
}

void Guard::stop(std::int64_t now_ns, const std::string& reason, bool is_fault) {
  watchdog_.advance(now_ns);
  watchdog_.latch(is_fault ? "robot" : "operator", reason);
}

bool Guard::clear(std::int64_t now_ns) {
  watchdog_.advance(now_ns);
  const bool was_latched = watchdog_.clear();
  if (was_latched) motion_->fade_in();
  return was_latched;
}

Verdict Guard::accept(std::int64_t now_ns, const std::vector<float>& values, std::int64_t report_ns,
                      std::int64_t valid_until_ns) {
  watchdog_.advance(now_ns);
  return watchdog_.accept(values, report_ns, valid_until_ns);
}

Verdict Guard::idle(std::int64_t now_ns, std::int64_t report_ns) {
  watchdog_.advance(now_ns);
  const Verdict verdict = watchdog_.accept_idleness(report_ns);
  if (verdict == Verdict::kAccepted) motion_->fade_in();
  return verdict;
}

const Tick& Guard::tick(std::int64_t now_ns, const Joints& joints) {
  watchdog_.advance(now_ns);
  const Fault fault = read_joints(limits_, joints, needs_velocity_, known_);
  // A fault that lasts is one stop, not one in each tick
  if (!fault.cause.empty() && !watchdog_.latched()) watchdog_.latch(fault.cause, fault.reason);
  const std::int64_t passed = watchdog_.elapsed_ns() - ticked_at_;
  ticked_at_ = watchdog_.elapsed_ns();
  // A tick that comes late moves no farther than one in time; two at once hardly at all
  const std::int64_t dt_ns = std::max<std::int64_t>(std::min(passed, tick_ns_), 1);
  if (passed > dt_ns) motion_->coast(passed - dt_ns);
  const bool is_commanded = move(dt_ns);
  tick_.ramp = motion_->ramp();
  tick_.report_ns = is_commanded ? watchdog_.report_ns() : std::nullopt;
  return tick_;
}

bool Guard::move(std::int64_t dt_ns) {
  before_ = tick_.ctrl;
  const double* row = nullptr;
  const State state = watchdog_.state_and_row(row);
  if (state == State::kHold && tick_.state == State::kRun) ++watchdog_.counters().holds;
  tick_.state = state;
  std::fill(tick_.clips.begin(), tick_.clips.end(), Clip{});
  if (row != nullptr) {
    rests_since_.reset();
    is_damped_ = false;
    motion_->follow(row, known_, dt_ns, tick_.clips);
    count_clips();
  } else {
    rest(dt_ns);
  }
  motion_->copy_ctrl(tick_.ctrl);
  const auto is_finite = [](double value) { return std::isfinite(value); };
  if (std::all_of(tick_.ctrl.begin(), tick_.ctrl.end(), is_finite))
    return row != nullptr;
  watchdog_.latch("robot", "the guard computed a ctrl that is not finite");
  tick_.state = State::kLatched;
  motion_->freeze(before_);
  motion_->copy_ctrl(tick_.ctrl);
  return false;
}

void Guard::rest(std::int64_t dt_ns) {
  const std::int64_t elapsed = watchdog_.elapsed_ns();
  if (!rests_since_) rests_since_ = elapsed;
  // The link stop comes after a hold, a latched stop out of the run. Once damped, a legged robot
  // lies, and stays damped until it is commanded
  const bool has_held = elapsed - *rests_since_ >= limits_.hold_ns;
  is_damped_ |= tick_.state == State::kStop || (tick_.state == State::kLatched && has_held);
  const bool is_stopped = tick_.state != State::kRun && tick_.state != State::kHold;
  motion_->rest(known_, dt_ns, is_stopped, is_damped_);
}

void Guard::count_clips() {
  Clip any;
  for (const Clip& clip : tick_.clips) {
    any.bounds |= clip.bounds;
    any.velocity |= clip.velocity;
    any.acceleration |= clip.acceleration;
    any.margin |= clip.margin;
  }
  Counters& counters = watchdog_.counters();
  counters.bounds += any.bounds;
  counters.velocity += any.velocity;
  counters.acceleration += any.acceleration;
  counters.margin += any.margin;
}

}  // namespace robot_gcrl
