// Following a target within limits of velocity and acceleration, without overshooting a bound.
//
// The ctrl c moves in steps, c' = c + v' dt, and what is limited is v' and the change of it:
// |v'| <= V and |v' - v| <= A dt, in units u of the ctrl per second. Three rules choose v':
//
// - A target that can be reached in this step, and stayed with in the next if it goes on as it
//   came, is reached exactly. So a stream of targets that keeps the limits passes unchanged.
// - Otherwise the distance to the target is closed as fast as can be braked away before it. Braking
//   from v' by A takes v'^2 / (2 A) at most, however the ticks fall; so v' dt + v'^2 / (2 A) <= r
//   for a distance r, of which `braking_rate` is the positive root.
// - The same rule, with the distance to the bounds, comes last. It can be kept in each step if it
//   was kept in the one before, whatever the steps' lengths: v'' = v' - A dt'' keeps it.
//
// Infinite limits drop out of all formulas. The same as robot_gcrl/bridge/guard/rate_limit.py.
#pragma once

#include <algorithm>
#include <cmath>

namespace robot_gcrl {

// The nearest number from `low` to `high`; NaN stays NaN.
inline double within(double value, double low, double high) {
  return std::min(std::max(value, low), high);
}

// Greatest rate [u/s] for a step of `dt` [s] after which `distance` still suffices to brake.
inline double braking_rate(double distance, double dt, double acceleration) {
  return 2.0 * distance / (dt + std::sqrt(dt * dt + 2.0 * distance / acceleration));
}

// The rate [u/s] brought towards 0 by at most `change` [u/s].
inline double slowed(double rate, double change) {
  return std::copysign(std::max(std::abs(rate) - change, 0.0), rate);
}

struct Followed {
  double ctrl, rate;  // [u], [u/s]
  bool over_velocity, over_acceleration;
};

struct Span {
  double low, high;
};

// One step from `ctrl`, which moved at `rate`, towards `target`. `previous_target` tells how the
// target itself moves. Outside of `span` the ctrl goes no farther out.
inline Followed follow(double ctrl, double rate, double target, double previous_target, double dt,
                       double velocity, double acceleration, Span span) {
  const double reach = acceleration * dt;
  const double wanted = (target - ctrl) / dt;
  const double allowed = within(wanted, -velocity, velocity);
  const double drift = within((target - previous_target) / dt, -velocity, velocity);
  double chosen = allowed;
  if (!(std::abs(allowed - rate) <= reach && std::abs(allowed - drift) <= reach)) {
    const double gap = target - drift * dt - ctrl;
    const double closing =
        drift + std::copysign(braking_rate(std::abs(gap), dt, acceleration), gap);
    // Of the two limits that of acceleration counts more: a velocity may only be left slowly
    chosen = within(within(closing, -velocity, velocity), rate - reach, rate + reach);
  }
  chosen = within(chosen, -braking_rate(std::max(ctrl - span.low, 0.0), dt, acceleration),
                  braking_rate(std::max(span.high - ctrl, 0.0), dt, acceleration));
  double moved = chosen == wanted ? target : ctrl + chosen * dt;
  // Against rounding alone
  moved = within(moved, std::min(span.low, ctrl), std::max(span.high, ctrl));
  return {moved, chosen, allowed != wanted, chosen != allowed};
}

}  // namespace robot_gcrl
