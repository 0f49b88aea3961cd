"""What the `holdfast` command is made of: settings, the data folder, and the processes it looks after."""
