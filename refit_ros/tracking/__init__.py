"""Who is whom, over cameras and time; numpy and scipy only."""
