"""From synchronized pictures to people: found, followed, matched across cameras, fused, steady."""
