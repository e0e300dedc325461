"""Let the local agent read a slide: python examples/local_agent.py SLIDE OUT_FOLDER."""

import sys

import coverslip

reading = coverslip.run_agent(sys.argv[1], sys.argv[2], max_steps=6)
for finding in reading.outcome.findings:
    print(finding.text)
print(f"The session is in {reading.session}.")
