#!/bin/bash
#SBATCH --job-name=coverslip
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
# Starts a Ray cluster on the nodes of this job, runs `coverslip run ARGUMENTS` on it, and ends it:
#
#   sbatch --nodes 4 --gpus-per-node 2 --cpus-per-task 16 slurm.sh nuclei /shared/slides \
#       --gpus-per-task 0.25 --store /shared/results
#
# Coverslip and Ray of the same versions must be on the PATH of all nodes (activate their environment
# before sbatch, or below). A job that ends early goes on when the same line is submitted again.
set -euo pipefail
[ $# -ge 2 ] || { echo "Give what coverslip run takes: MODEL SLIDES... --store STORE" >&2; exit 2; }

port=${RAY_PORT:-6379}
client_port=${RAY_CLIENT_PORT:-10001}
export RAY_USAGE_STATS_ENABLED=0
# Only who has the token may use the cluster: Ray alone has no login.
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
if [ "$RAY_AUTH_MODE" = token ] && [ -z "${RAY_AUTH_TOKEN:-}" ] && [ -z "${RAY_AUTH_TOKEN_PATH:-}" ]; then
    RAY_AUTH_TOKEN=$(python3 -c "import secrets; print(secrets.token_hex(32))")
    export RAY_AUTH_TOKEN
fi

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
cpus=${SLURM_CPUS_PER_TASK:-$(nproc)}
head_ip=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')

end() { kill "${started[@]}" 2>/dev/null || true; wait || true; }
started=()
trap end EXIT

srun --nodes=1 --ntasks=1 -w "$head" ray start --head --node-ip-address "$head_ip" --port "$port" \
    --ray-client-server-port "$client_port" --dashboard-host 127.0.0.1 --num-cpus "$cpus" --block &
started+=($!)
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 -w "$node" ray start --address "$head_ip:$port" --num-cpus "$cpus" --block &
    started+=($!)
done

for _ in $(seq 60); do
    (exec 3<>"/dev/tcp/$head_ip/$client_port") 2>/dev/null && break
    sleep 2
done
coverslip run "$@" --on "ray://$head_ip:$client_port"
