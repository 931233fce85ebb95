@echo off
rem Finds the Python that this pack is for and lets it install; no network is used.
py -@PYTHON@ -I "%~dp0install.py" %*
if not errorlevel 9009 exit /b %errorlevel%
python -I "%~dp0install.py" %*
exit /b %errorlevel%
