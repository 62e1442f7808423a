#!/usr/bin/env bash
# The gateway of envoy/standalone.yaml before five simulated pods, to play with. Ends with Ctrl-C; nothing is left running.
#
#   host-tests/run.sh ENVOY LAB
set -euo pipefail
envoy=$1 lab=$2
cd "$(dirname "$0")/.."
mkdir -p target/run

# The pods stop when this shell's end of the pipe closes, however it ends.
coproc PODS { exec "$lab" pods --exit-with-stdin --pod a10-0=a10,7b-fp16-mha,8001 --pod l20-0=l20,7b-fp16-mha,8002 \
  --pod l20-1=l20,7b-fp16-mha,8003 --pod l20-2=l20,7b-fp16-mha,8004 --pod l20-3=l20,7b-fp16-mha,8005; }
"$envoy" -c envoy/standalone.yaml --log-path target/run/envoy.log --concurrency 2 &
gateway=$!
trap 'kill $gateway 2>/dev/null; wait $gateway 2>/dev/null; exit 0' INT TERM EXIT

for _ in $(seq 100); do
  if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then break; fi
  kill -0 $gateway 2>/dev/null || { tail -n 5 target/run/envoy.log; exit 1; }
  sleep 0.1
done
cat <<'TEXT'
The gateway is at http://127.0.0.1:8080, its metrics at http://127.0.0.1:9901/stats/prometheus, its log in
target/run/envoy.log. Try

  curl -i http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' -d '{
    "model": "llama", "max_tokens": 50, "stream": true, "stream_options": {"include_usage": true},
    "messages": [{"role": "user", "content": "Say hello."}]}'

Ctrl-C ends it.
TEXT
wait $gateway
