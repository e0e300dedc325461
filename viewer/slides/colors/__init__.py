"""Color profiles: what each color of a slide is in sRGB, worked out in a process of its own."""
