"""A literal NumPy transcription, in float64, of the equations that the library computes in JAX.

Loops and differences where the library has scans and matrix products; slow and short on purpose.
Sources: contrastive critic, actor and temperature losses of arXiv 2408.11052 and its published
code; residual networks of arXiv 2503.14858 and its published code; tanh-normal density of arXiv
1801.01290; discounted future states of arXiv 2206.07568.
"""

import numpy as np

EPISODE_NUMBER = 0x7FFFFFFF


def energy(phi, psi, kind="l2", scale=1.0, epsilon=1e-6):
    """Of one pair of embeddings [E]; "l2" is -|phi - psi|, with epsilon under the root."""
    phi, psi = np.asarray(phi, np.float64), np.asarray(psi, np.float64)
    if kind == "l2":
        return -np.sqrt(np.sum((phi - psi) ** 2) + epsilon)
    if kind == "squared_l2":
        return -np.sum((phi - psi) ** 2)
    if kind == "dot":
        return np.sum(phi * psi)
    lengths = [np.sqrt(np.sum(x**2) + epsilon) for x in (phi, psi)]
    return scale * np.sum(phi * psi) / (lengths[0] * lengths[1])


def critic_loss(phi, psi, *, logsumexp_penalty, loss, kind="l2", scale=1.0):
    """InfoNCE over a batch of embeddings [B, E], plus the penalty on the logsumexp."""
    logits = np.array([[energy(a, b, kind, scale) for b in psi] for a in phi])
    return infonce(logits, logsumexp_penalty=logsumexp_penalty, loss=loss)


def infonce(logits, *, logsumexp_penalty, loss):
    """The loss of logits [B, B] whose diagonal is positive."""
    size, total = len(logits), 0.0
    for i in range(size):
        row, column = np.exp(logits[i, :]), np.exp(logits[:, i])
        if loss in ("infonce", "symmetric_infonce"):
            total -= np.log(np.exp(logits[i, i]) / np.sum(row)) / size
        if loss in ("backward_infonce", "symmetric_infonce"):
            total -= np.log(np.exp(logits[i, i]) / np.sum(column)) / size
        penalized = column if loss == "backward_infonce" else row
        total += logsumexp_penalty * np.log(np.sum(penalized)) ** 2 / size
    return total


def quasimetric(x, y):
    """The metric residual network of one pair of embeddings [E]: arXiv 2406.17098."""
    half = len(x) // 2
    ahead = max(0.0, *(x[k] - y[k] for k in range(half)))
    return ahead + np.sqrt(sum((x[k] - y[k]) ** 2 for k in range(half, len(x))))


def temporal_loss(phi, psi, *, logsumexp_penalty, loss):
    """InfoNCE of the potential of each goal, at the end of psi, minus the way there."""
    logits = np.array([[b[-1] - quasimetric(a, b[:-1]) for b in psi] for a in phi])
    return infonce(logits, logsumexp_penalty=logsumexp_penalty, loss=loss)


def bin_shares(lasts, gamma, remaining):
    """[K], how likely a truncated geometric offset lies in each bin, by adding its law up."""
    law, shares = offset_law(gamma, remaining), np.zeros(len(lasts) + 1)
    for k in range(1, remaining + 1):
        shares[sum(k > last for last in lasts)] += law[k - 1]
    return shares


def log_rate(phi, psi, b, bins):
    """Of bin b of one pair of embeddings: both levels minus the distance of the points."""
    size = (len(phi) - bins) // bins
    points = slice(b * size, (b + 1) * size)
    return phi[b - bins] + psi[b - bins] + energy(phi[points], psi[points])


def survival_energy(phi, psi, lasts, gamma):
    """The log of the discounted time at the goal, of one pair of embeddings."""
    shares = bin_shares(lasts, gamma, 5000)
    rates = [log_rate(phi, psi, b, len(shares)) for b in range(len(shares))]
    return np.log(sum(share * np.exp(rate) for share, rate in zip(shares, rates, strict=True)))


def survival_loss(phi, psi, offset, remaining, lasts, gamma):
    """Minus the mean log-likelihood of a row's event and of its censored pairs."""
    size, loss = len(phi), 0.0
    for i in range(size):
        shares = bin_shares(lasts, gamma, remaining[i])
        event = sum(offset[i] > last for last in lasts)
        for j in range(size):
            for b in range(event + 1 if i == j else len(shares)):
                odds = shares[b] * np.exp(log_rate(phi[i], psi[j], b, len(shares))) / (size - 1)
                hazard = odds / (1.0 + odds)
                loss -= np.log(hazard if i == j and b == event else 1.0 - hazard) / size
    return loss


def actor_loss(energies, log_densities, temperature):
    """The mean of temperature * log pi - f."""
    pairs = zip(energies, log_densities, strict=True)
    return sum(temperature * log_density - value for value, log_density in pairs) / len(energies)


def cloned_actor_loss(energies, log_densities, temperature, stored, cloning):
    """The same in units of the mean |f|, plus the weighted mean of -log pi of stored actions."""
    size = sum(abs(value) for value in energies) / len(energies)
    rest = actor_loss(energies, log_densities, temperature) / size
    return rest - cloning * sum(stored) / len(stored)


def split_output(output):
    """(mean, log_std) of an actor's output [2A]."""
    mean, raw = np.split(np.asarray(output, np.float64), 2, axis=-1)
    return mean, -5.0 + 0.5 * (2.0 + 5.0) * (np.tanh(raw) + 1.0)


def log_density(mean, log_std, noise):
    """log pi of tanh(mean + std * noise), all [A], by the change of variables.

    1 - tanh(u)^2 is written as 1 / cosh(u)^2, which float64 does not round to 0.
    """
    std = np.exp(log_std)
    u = mean + std * noise
    normal = np.exp(-((u - mean) ** 2) / (2.0 * std**2)) / np.sqrt(2.0 * np.pi * std**2)
    return np.sum(np.log(normal) - np.log(1.0 / np.cosh(u) ** 2))


def log_density_of(mean, log_std, action):
    """log pi of an action [A] that was taken elsewhere, by the change of variables."""
    action = np.clip(np.asarray(action, np.float64), -1.0 + 1e-4, 1.0 - 1e-4)
    std = np.exp(log_std)
    # Not the log of the density, which underflows: such an action may be very unlikely
    normal = -((np.arctanh(action) - mean) ** 2) / (2.0 * std**2) - np.log(std)
    return np.sum(normal - 0.5 * np.log(2.0 * np.pi) - np.log(1.0 - action**2))


def layer_norm(x, params):
    """Each row of x [B, W] to mean 0 and variance 1, then scaled and shifted."""
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-6) * params["scale"] + params["bias"]


def sphere(x):
    """Each row of x [B, W] divided by the root of its mean square."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)


def norm(x, params):
    """LayerNorm, or RMSNorm, which has no bias."""
    return layer_norm(x, params) if "bias" in params else sphere(x) * params["scale"]


def swish(x):
    """x times the logistic function of x."""
    return x / (1.0 + np.exp(-x))


def dense(x, params):
    """x W + b."""
    return x @ params["kernel"] + params["bias"]


def layer(x, params):
    """Dense, LayerNorm or RMSNorm, Swish."""
    return swish(norm(dense(x, params["dense"]), params["norm"]))


def residual_network(x, params):
    """The whole trunk on x [B, I], one block after the other."""
    params = float64(params)
    if "lerp" in params["blocks"]:
        return hyperspherical_network(x, params)
    x = layer(np.asarray(x, np.float64), params["input"])
    for n in range(len(params["blocks"]["layer0"]["dense"]["kernel"])):
        y = x
        for name in ("layer0", "layer1", "layer2", "layer3"):
            y = layer(y, _map(lambda leaf, n=n: leaf[n], params["blocks"][name]))
        x = x + y
    if "norm" in params:
        x = norm(x, params["norm"])
    return dense(x, params["head"])


def hyperspherical_network(x, params):
    """The same on spheres (arXiv 2502.15280), with blocks of four layers and Swish."""

    def scaled(x, part):
        return x @ part["dense"]["kernel"] * part["norm"]["scale"]

    x = np.hstack([np.asarray(x, np.float64), np.full((len(x), 1), 3.0)])
    x = sphere(scaled(sphere(x), params["input"]))
    for n in range(len(params["blocks"]["lerp"])):
        block = _map(lambda leaf, n=n: leaf[n], params["blocks"])
        y = x
        for name in ("layer0", "layer1", "layer2"):
            y = sphere(swish(scaled(y, block[name])))
        y = sphere(scaled(y, block["layer3"]))
        way = np.asarray(block["lerp"])
        x = sphere((1.0 - way) * x + way * y)
    if "norm" in params:
        x = x * params["norm"]["scale"]
    return dense(x, params["head"])


def offset_law(gamma, remaining):
    """P(offset = k) for k = 1..remaining: proportional to gamma^(k - 1)."""
    weights = np.array([gamma ** (k - 1) for k in range(1, remaining + 1)])
    return weights / weights.sum()


def unrolled(episode, inserted):
    """The stored rows of a ring [C, N], oldest first, as episode numbers."""
    capacity = len(episode)
    times = range(max(0, inserted - capacity), inserted)
    return np.array([np.asarray(episode)[t % capacity] & EPISODE_NUMBER for t in times])


def anchors(episode, inserted, chunk=1):
    """{(row from the oldest, world): stored rows of its episode after it}, if `chunk` or more."""
    rows = unrolled(episode, inserted)
    found = {}
    for world in range(np.asarray(episode).shape[1]):
        for row in range(len(rows)):
            remaining = 0
            while (
                row + remaining + 1 < len(rows)
                and rows[row + remaining + 1, world] == rows[row, world]
            ):
                remaining += 1
            if remaining >= chunk:
                found[row, world] = remaining
    return found


def _map(function, tree):
    if isinstance(tree, dict):
        return {key: _map(function, value) for key, value in tree.items()}
    return function(tree)


def float64(tree):
    """A tree of arrays as NumPy float64."""
    return _map(lambda leaf: np.asarray(leaf, np.float64), tree)


class Chunks:
    """One robot's chunk of actions as a list that is eaten up."""

    def __init__(self, length):
        """Nothing is left yet of chunks of `length` actions."""
        self.length, self.left, self.goal = length, [], None

    def next(self, chunk, goal):
        """The action now, where the policy would begin `chunk` [H A] for `goal` [G]."""
        if not self.left or self.goal != tuple(goal) or np.isnan(chunk).any():
            self.left, self.goal = list(np.split(np.asarray(chunk), self.length)), tuple(goal)
        return self.left.pop(0)
