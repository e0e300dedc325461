"""Print what readers did in recorded sessions: python examples/list_behaviors.py [FOLDER]."""

import sys

import coverslip

for session in coverslip.load_sessions(sys.argv[1] if len(sys.argv) > 1 else None):
    print(session.id, session.header.reader, f"{session.duration_s:.0f} s")
    for action in coverslip.behaviors(session):
        print(f"  {action.command}  {action.start_s:.1f} to {action.end_s:.1f} s")
