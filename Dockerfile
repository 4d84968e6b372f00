# docker build --tag robot-gcrl .                         on a CPU
# docker build --tag robot-gcrl --build-arg EXTRA=cuda .  with an NVIDIA GPU (docker run --gpus all)
# docker run --rm --volume "$PWD/runs:/home/runs" robot-gcrl train --task arm_reach
FROM python:3.12-slim

# What films and pictures are drawn with, without a display
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*

COPY . /source
ARG EXTRA=""
RUN python -m pip install --no-cache-dir --constraint /source/constraints.txt \
    "/source${EXTRA:+[$EXTRA]}" \
    && rm -rf /source

WORKDIR /home
ENV MUJOCO_GL=egl
ENTRYPOINT ["robot-gcrl"]
CMD ["--help"]
