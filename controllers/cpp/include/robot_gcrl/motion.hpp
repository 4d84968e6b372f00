// What is written to the motors: each actuator follows a command within its limits, or rests.
//
// Without a command a position target brakes and stays, a velocity is ramped to zero, a torque
// damps. In a safe stop the same, and a position target that has come to rest moves to the position
// that is measured then; a legged one stays and is damped later.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "robot_gcrl/limits.hpp"
#include "robot_gcrl/rate_limit.hpp"

namespace robot_gcrl {

// Positions and velocities of the actuated joints, one for each actuator: anything where an
// actuator drives no joint. `velocity` is empty where the robot measures none.
struct Joints {
  std::vector<double> position, velocity;
};

// Which limits changed a command.
struct Clip {
  bool bounds = false, velocity = false, acceleration = false, margin = false;

  bool any() const { return bounds || velocity || acceleration || margin; }
};

// One actuator. Measured numbers are NaN where they are not known.
class Axis {
 public:
  Axis(const AxisLimits& limits, double position);

  double ctrl() const { return ctrl_; }
  void scale(double scale) { limits_ = own_.scaled(scale); }
  void fade_in() { start_.reset(); }
  // Accounts for a time in which no tick came: the ctrl stood still meanwhile.
  void coast(double seconds) { rate_ = slowed(rate_, limits_.acceleration * seconds); }
  Clip follow(double command, double position, double dt, double ramp);
  void rest(double position, double velocity, double dt, bool stopped, bool damped);
  // Stands still at an earlier ctrl; what is no position becomes 0.
  void freeze(double ctrl);

 private:
  bool is_measured() const { return limits_.has_joint && limits_.mode != Mode::kGripper; }
  double ramp_start(double position) const;
  double stop_at(double position) const;
  void rest_position(double position, double velocity, double dt, bool stopped, bool damped);
  bool turn_from_joint_limits(double position, double dt);
  bool bound(double low, double high);
  Followed approach(double target, double previous, double dt, Span span);

  AxisLimits own_, limits_;  // its limits; these, scaled for the session
  double ctrl_ = 0.0;        // written last [u]
  double rate_ = 0.0;        // [u/s]
  std::optional<double> target_;  // of the tick before
  std::optional<double> start_;   // of the ramp
  std::optional<double> anchor_;  // where a stop ends
};

class Motion {
 public:
  // At rest at the measured positions, ready to fade in.
  Motion(const Limits& limits, const std::vector<double>& position);

  // How far motion is faded in, from 0 to 1.
  double ramp() const;
  // The next command begins a ramp from where the robot is measured then.
  void fade_in();
  void scale(double scale);
  void coast(std::int64_t dt_ns);
  // `clips` gets which limits changed which number of the command.
  void follow(const double* command, const Joints& known, std::int64_t dt_ns,
              std::vector<Clip>& clips);
  void rest(const Joints& known, std::int64_t dt_ns, bool stopped, bool damped);
  void freeze(const std::vector<double>& ctrl);
  void copy_ctrl(std::vector<double>& ctrl) const;

 private:
  std::vector<Axis> axes_;
  std::int64_t ramp_ns_, ramped_ns_ = 0;
};

}  // namespace robot_gcrl
