"""Convert annotations, count classes: python examples/annotations_to_coco.py IN OUT.coco.json."""

import sys
from collections import Counter

import coverslip

annotations = coverslip.read_annotations(sys.argv[1])
names = Counter(each.shown_as.name if each.shown_as else "No class" for each in annotations)
for name, count in names.most_common():
    print(f"{name}: {count:,}")
coverslip.write_annotations(sys.argv[2], annotations)
