// A tiny plant in place of a robot: each actuator moves a joint of its own. A position is followed
// with a lag, a velocity is integrated, a torque accelerates a mass of 1 with a little friction.
#pragma once

#include <vector>

#include "robot_gcrl/contract.hpp"
#include "robot_gcrl/limits.hpp"
#include "robot_gcrl/motion.hpp"

namespace robot_gcrl {

class Plant {
 public:
  // At rest, at 0 or the nearest position that the limits allow.
  Plant(const Contract& contract, const Limits& limits);

  const Joints& joints() const { return joints_; }
  // What a report holds: positions and velocities of the actuated joints, 0 for what this plant
  // does not have.
  std::vector<float> inputs() const;
  // Moves for `dt` [s] under `ctrl`, in units of the contract.
  void step(const std::vector<double>& ctrl, double dt);

 private:
  const Contract& contract_;
  std::vector<AxisLimits> axes_;
  Joints joints_;
};

}  // namespace robot_gcrl
