-- Containers have no devices, and no bus to reserve them by.
if bluez_monitor then
  bluez_monitor.enabled = false
else
  alsa_monitor.enabled = false
  v4l2_monitor.enabled = false
  libcamera_monitor.enabled = false
  default_access.properties["enable-flatpak-portal"] = false
end
